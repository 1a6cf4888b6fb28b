"""For whom a call is answered: an annotator for himself alone, everybody else for whom the request names."""

from services.feedback.raters import check_rater
from services.runtime.errors import PermissionDenied
from services.runtime.identity import Role, current_identity


def sees_everything() -> bool:
    """Models, gold items and what others judged; an annotator judges blindly."""
    return current_identity().role is not Role.ANNOTATOR


def the_rater(named: str) -> str:
    """Raises PermissionDenied for an annotator who names another one."""
    identity = current_identity()
    if identity.role is Role.ANNOTATOR and named not in ("", identity.name):
        raise PermissionDenied(f"{identity.name} cannot judge for {named[:100]!r}")
    return check_rater("rater", named or identity.name)
