"""What a vendor's reply means: `classify` for failures, `examine` for replies that look like answers."""

from router.classify.evidence import Evidence, gather
from router.classify.retry_after import retry_after
from router.classify.rules import classify, limits
from router.classify.success import end_of, examine, is_broken, is_fault

__all__ = ["Evidence", "classify", "end_of", "examine", "gather", "is_broken", "is_fault", "limits", "retry_after"]
