"""AWS Lambda's API: every operation is a method, its HTTP is the codec's."""

from collections.abc import Callable, Mapping

from lambent.events.mappings import Mappings
from lambent.events.queues import Queues
from lambent.events.roles import Roles
from lambent.faces.aws_lambda_aliases import AliasOperations
from lambent.faces.aws_lambda_capacity import CapacityOperations
from lambent.faces.aws_lambda_code import ReadObject, Sources
from lambent.faces.aws_lambda_configuration import Configurations, Runtimes
from lambent.faces.aws_lambda_event_invoke import Accept, EventInvokeOperations
from lambent.faces.aws_lambda_functions import FunctionOperations
from lambent.faces.aws_lambda_layer_policies import LayerPolicyOperations
from lambent.faces.aws_lambda_management import ManagementOperations
from lambent.faces.aws_lambda_mappings import MappingOperations
from lambent.faces.aws_lambda_permissions import PermissionOperations
from lambent.faces.aws_lambda_tags import TagOperations
from lambent.faces.aws_lambda_urls import UrlOperations
from lambent.images.images import Images
from lambent.invoke.provisioned import Supply
from lambent.model.errors import (
    Conflict,
    InUse,
    InvalidContent,
    InvalidParameter,
    NotFound,
    PlatformError,
    Precondition,
    Throttled,
    TooLarge,
    Unavailable,
)
from lambent.model.function import Code
from lambent.model.function_url import FunctionUrl
from lambent.model.names import Target
from lambent.store.aliases import Aliases
from lambent.store.event_invoke_configs import EventInvokeConfigs
from lambent.store.function_settings import FunctionSettings
from lambent.store.functions import Functions
from lambent.store.layers import Layers
from lambent.store.packages import Packages
from lambent.store.policies import Policies
from lambent.store.resources import Resources
from lambent.store.urls import Urls

UNCHECKED = frozenset({"runtime"})  # members whose violations the service tells in words of its own

_DURABLE = "durable executions are not part of Lambent"


class LambdaFace(
    FunctionOperations,
    AliasOperations,
    LayerPolicyOperations,
    PermissionOperations,
    TagOperations,
    EventInvokeOperations,
    UrlOperations,
    CapacityOperations,
    ManagementOperations,
    MappingOperations,
):
    """What is not a method here is answered 501. `code_url` gives the address of a package's zip."""

    errors: Mapping[type[PlatformError], str] = {
        NotFound: "ResourceNotFoundException",
        Conflict: "ResourceConflictException",
        InvalidParameter: "InvalidParameterValueException",
        InvalidContent: "InvalidRequestContentException",
        Precondition: "PreconditionFailedException",
        TooLarge: "RequestEntityTooLargeException",
        InUse: "ResourceInUseException",
        Throttled: "TooManyRequestsException",
        Unavailable: "ServiceException",
    }
    refused: Mapping[str, str] = dict.fromkeys(
        (
            "CheckpointDurableExecution",
            "DeleteDurableExecution",
            "GetDurableExecution",
            "GetDurableExecutionHistory",
            "GetDurableExecutionState",
            "ListDurableExecutionsByFunction",
            "PauseDurableExecution",
            "ResumeDurableExecution",
            "SendDurableExecutionCallbackFailure",
            "SendDurableExecutionCallbackHeartbeat",
            "SendDurableExecutionCallbackSuccess",
            "StopDurableExecution",
        ),
        _DURABLE,
    )

    def __init__(
        self,
        functions: Functions,
        policies: Policies,
        packages: Packages,
        layers: Layers,
        settings: FunctionSettings,
        urls: Urls,
        resources: Resources,
        *,
        runtimes: Runtimes,
        architecture: str,
        read_object: ReadObject,
        code_url: Callable[[Code], str],
        images: Images,
        event_invoke_configs: EventInvokeConfigs,
        accept: Accept,
        supply: Callable[[Target], Supply],
        url_address: Callable[[FunctionUrl], str],
        mappings: Mappings,
        queues: Queues,
        roles: Roles,
    ) -> None:
        self.functions = functions
        self.aliases = Aliases(functions)
        self.policies = policies
        self.packages = packages
        self.layers = layers
        self.images = images
        self.settings = settings
        self.resources = resources
        self.supply = supply
        self.configurations = Configurations(runtimes, architecture)
        self.sources = Sources(read_object)
        self.code_url = code_url
        self.event_invoke_configs = event_invoke_configs
        self.accept = accept
        self.urls = urls
        self.url_address = url_address
        self.mappings = mappings
        self.queues = queues
        self.roles = roles
