"""A training as others would write it: the patch of a config in TOML, and whole programs in optax, PyTorch and Keras."""

from nanmap.listings.marks import marked as marked
from nanmap.listings.own import OwnNetwork as OwnNetwork
from nanmap.listings.patch import config_text as config_text
from nanmap.listings.patch import patch as patch
from nanmap.listings.patch import set_words as set_words
from nanmap.listings.patch import toml_value as toml_value
from nanmap.listings.programs import FRAMEWORKS as FRAMEWORKS
from nanmap.listings.programs import listing as listing
from nanmap.listings.programs import unsaid as unsaid
