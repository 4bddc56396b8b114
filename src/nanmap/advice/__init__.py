"""What a training's figures mean to the one who ran it: the evidence for its cause, and what to try next."""

from nanmap.advice.case import Case as Case
from nanmap.advice.case import Edge as Edge
from nanmap.advice.case import edge_of as edge_of
from nanmap.advice.evidence import evidence as evidence
from nanmap.advice.remedies import REMEDIES as REMEDIES
from nanmap.advice.remedies import remedy as remedy
