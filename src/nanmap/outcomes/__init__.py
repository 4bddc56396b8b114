"""What becomes of a training: the closed sets of outcomes and causes, and which of them a row's facts are.

docs/outcomes.md has the definitions as tables.
"""

from nanmap.outcomes.classify import broken_by as broken_by
from nanmap.outcomes.classify import classify as classify
from nanmap.outcomes.trend import MARKS as MARKS
from nanmap.outcomes.trend import TENTHS as TENTHS
from nanmap.outcomes.trend import Facts as Facts
from nanmap.outcomes.trend import Trend as Trend
from nanmap.outcomes.trend import enough as enough
from nanmap.outcomes.verdicts import Cause as Cause
from nanmap.outcomes.verdicts import Outcome as Outcome
from nanmap.outcomes.verdicts import Stop as Stop
from nanmap.outcomes.verdicts import Verdict as Verdict
