"""IAM's API, as far as Lambda's users and their tools need it: who there is, and what they may do."""

from collections.abc import Callable, Mapping

from lambent.faces.aws_iam_attachments import AttachmentOperations
from lambent.faces.aws_iam_groups import GroupOperations
from lambent.faces.aws_iam_keys import KeyOperations
from lambent.faces.aws_iam_policies import PolicyOperations
from lambent.faces.aws_iam_roles import RoleOperations
from lambent.faces.aws_iam_users import UserOperations
from lambent.model.errors import Conflict, InvalidParameter, NotFound, PlatformError, Unavailable
from lambent.store.authority import Authority
from lambent.store.directory import Directory


class IamFace(
    RoleOperations, UserOperations, GroupOperations, KeyOperations, PolicyOperations, AttachmentOperations
):
    """What is not a method here is answered 501. `secret_of` gives the secret of a user's access key."""

    errors: Mapping[type[PlatformError], str] = {
        NotFound: "NoSuchEntity",
        Conflict: "EntityAlreadyExists",
        InvalidParameter: "InvalidInput",
        Unavailable: "ServiceFailure",
    }

    def __init__(self, directory: Directory, authority: Authority, secret_of: Callable[[str], str]) -> None:
        self.directory = directory
        self.authority = authority
        self.secret_of = secret_of
