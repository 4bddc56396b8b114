"""Why a training fails, the smallest change that mends it, and the proof: trainings from many starts, side by side."""

from nanmap.diagnosis.answer import Answer as Answer
from nanmap.diagnosis.lines import config_of as config_of
from nanmap.diagnosis.lines import lines_of as lines_of
from nanmap.diagnosis.lines import patch_of as patch_of
from nanmap.diagnosis.objects import as_object as as_object
from nanmap.diagnosis.root_causes import RootCause as RootCause
from nanmap.diagnosis.told import Section as Section
from nanmap.diagnosis.told import told as told
