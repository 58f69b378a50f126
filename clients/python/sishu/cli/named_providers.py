"""`sishu provider get` and `sishu provider delete`, which take a name beside the project."""

from __future__ import annotations

from collections.abc import Callable

from sishu.cli.providers import ProviderArgument, ProviderProjectOption, named_provider
from sishu.cli.resource_table import Resource
from sishu.cli.resources import delete_found, show_found


def get_provider(resource: Resource) -> Callable[..., None]:
    """The `get` of providers."""

    def get(resource_id: ProviderArgument, project: ProviderProjectOption = "") -> None:
        show_found(resource, lambda client: named_provider(client, resource_id, project))

    return get


def delete_provider(resource: Resource) -> Callable[..., None]:
    """The `delete` of providers."""

    def delete(resource_id: ProviderArgument, project: ProviderProjectOption = "") -> None:
        delete_found(resource, lambda client: named_provider(client, resource_id, project))

    return delete
