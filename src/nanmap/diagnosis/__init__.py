"""Why a training fails, the smallest change that mends it, and the proof: trainings from many starts, side by side."""

from nanmap.diagnosis.answer import Answer as Answer
from nanmap.diagnosis.root_causes import RootCause as RootCause
