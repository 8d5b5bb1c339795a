"""What a vendor's reply means: `classify` for failures, `examine` for replies that look like answers."""

from router.classify.answers import examine, is_fault
from router.classify.evidence import Evidence, gather
from router.classify.rules import classify, limits
from router.classify.waits import retry_after

__all__ = ["Evidence", "classify", "examine", "gather", "is_fault", "limits", "retry_after"]
