"""`ProviderService`: one thin method an rpc."""

from __future__ import annotations

from services.generation.calls.endpoints import Endpoints
from services.generation.providers.convert import (
    PROVIDER_FIELDS,
    merged_provider,
    preset_to_pb,
    provider_from_pb,
    provider_to_pb,
    provider_values,
    report_to_pb,
)
from services.generation.providers.presets import PRESETS
from services.generation.providers.providers import Provider, changed, check_provider
from services.generation.providers.store import ProviderStore
from services.generation.providers.trial import Trial
from services.runtime.interceptors import Context, check_message
from services.runtime.masks import check_mask
from services.runtime.pages import page_of, page_request
from services.runtime.secrets import SecretBox
from sishu.generation.v1 import provider_service_pb2 as provider_pb
from sishu.generation.v1.provider_service_pb2_grpc import (
    ProviderServiceServicer,
)


class ProviderServicer(ProviderServiceServicer):
    """Providers."""

    def __init__(self, store: ProviderStore, secrets: SecretBox, trial: Trial, endpoints: Endpoints) -> None:
        self._store = store
        self._secrets = secrets
        self._trial = trial
        self._endpoints = endpoints

    async def CreateProvider(
        self, request: provider_pb.CreateProviderRequest, context: Context
    ) -> provider_pb.CreateProviderResponse:
        stored = await self._store.made_by(request.request_id)
        if stored is None:
            provider = provider_from_pb(request.provider, self._secrets)
            check_provider(provider)
            await self._endpoints.check_deployment(provider.deployment_id)
            stored = await self._store.create(provider, request.request_id)
        return provider_pb.CreateProviderResponse(provider=provider_to_pb(stored))

    async def GetProvider(
        self, request: provider_pb.GetProviderRequest, context: Context
    ) -> provider_pb.GetProviderResponse:
        provider = await self._store.get(request.id)
        return provider_pb.GetProviderResponse(provider=provider_to_pb(provider))

    async def ListProviders(
        self, request: provider_pb.ListProvidersRequest, context: Context
    ) -> provider_pb.ListProvidersResponse:
        filters = (request.project_id, request.name)
        wanted = page_request(request.page_size, request.page_token, *filters)
        page = await self._store.list_page(wanted, *filters)
        return provider_pb.ListProvidersResponse(
            providers=map(provider_to_pb, page.rows), next_page_token=page.next_token
        )

    async def UpdateProvider(
        self, request: provider_pb.UpdateProviderRequest, context: Context
    ) -> provider_pb.UpdateProviderResponse:
        paths = check_mask(request.update_mask, *PROVIDER_FIELDS)
        if "deployment_id" in paths:
            await self._endpoints.check_deployment(request.provider.deployment_id)

        def change(provider: Provider) -> Provider:
            message = merged_provider(provider, request.provider, paths)
            # The rules of a new provider hold for a changed one.
            check_message(provider_pb.CreateProviderRequest(provider=message))
            return changed(provider, provider_values(message, paths, self._secrets))

        stored = await self._store.update(request.provider.id, change)
        return provider_pb.UpdateProviderResponse(provider=provider_to_pb(stored))

    async def TestProvider(
        self, request: provider_pb.TestProviderRequest, context: Context
    ) -> provider_pb.TestProviderResponse:
        report = await self._trial.run(await self._store.get(request.id), context.time_remaining())
        return report_to_pb(report)

    async def ListProviderPresets(
        self, request: provider_pb.ListProviderPresetsRequest, context: Context
    ) -> provider_pb.ListProviderPresetsResponse:
        wanted = page_request(request.page_size, request.page_token)
        later = [preset for preset in PRESETS if (preset.name,) > wanted.after]
        page = page_of(later[: wanted.limit], wanted, lambda preset: (preset.name,))
        return provider_pb.ListProviderPresetsResponse(
            presets=map(preset_to_pb, page.rows), next_page_token=page.next_token
        )

    async def DeleteProvider(
        self, request: provider_pb.DeleteProviderRequest, context: Context
    ) -> provider_pb.DeleteProviderResponse:
        await self._store.delete(request.id)
        return provider_pb.DeleteProviderResponse()
