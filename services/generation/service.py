"""The services of the generation room: one thin method an rpc."""

from __future__ import annotations

from dataclasses import replace

from services.generation.budgets import check_prices
from services.generation.calls.embeddings import Embedder
from services.generation.calls.endpoints import Endpoints
from services.generation.candidate_service import CandidateServicer
from services.generation.convert import (
    GENERATION_FIELDS,
    PROVIDER_FIELDS,
    changed_options,
    generation_from_pb,
    generation_to_pb,
    merged_generation,
    merged_provider,
    preset_to_pb,
    provider_from_pb,
    provider_to_pb,
    provider_values,
    report_to_pb,
)
from services.generation.coverage import check_coverage
from services.generation.coverage_service import CoverageServicer
from services.generation.forecast_store import ForecastStore
from services.generation.gates import check_gates
from services.generation.generations import check_generation, check_helpers
from services.generation.genre_audience_service import GenreAudienceServicer
from services.generation.presets import PRESETS
from services.generation.prompt_service import PromptServicer
from services.generation.prompt_store import PromptStore
from services.generation.provider_store import ProviderStore
from services.generation.providers import Provider, changed, check_provider
from services.generation.question_service import QuestionServicer
from services.generation.question_template_service import QuestionTemplateServicer
from services.generation.question_templates import check_wanted_templates
from services.generation.sources import Sources
from services.generation.store import Store
from services.generation.tag_service import TagServicer
from services.generation.trial import Trial
from services.runtime.interceptors import Context, check_message
from services.runtime.masks import check_mask
from services.runtime.pages import page_of, page_request
from services.runtime.secrets import SecretBox
from services.runtime.server import Servicer
from sishu.generation.v1 import generation_service_pb2 as generation_pb
from sishu.generation.v1 import provider_service_pb2 as provider_pb
from sishu.generation.v1.candidate_service_pb2_grpc import add_CandidateServiceServicer_to_server
from sishu.generation.v1.coverage_service_pb2_grpc import add_CoverageServiceServicer_to_server
from sishu.generation.v1.generation_service_pb2_grpc import (
    GenerationServiceServicer,
    add_GenerationServiceServicer_to_server,
)
from sishu.generation.v1.genre_audience_service_pb2_grpc import (
    add_GenreAudienceServiceServicer_to_server,
)
from sishu.generation.v1.prompt_service_pb2_grpc import add_PromptServiceServicer_to_server
from sishu.generation.v1.provider_service_pb2_grpc import (
    ProviderServiceServicer,
    add_ProviderServiceServicer_to_server,
)
from sishu.generation.v1.question_service_pb2_grpc import (
    add_QuestionServiceServicer_to_server,
)
from sishu.generation.v1.question_template_service_pb2_grpc import (
    add_QuestionTemplateServiceServicer_to_server,
)
from sishu.generation.v1.tag_service_pb2_grpc import add_TagServiceServicer_to_server


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


class GenerationServicer(GenerationServiceServicer):
    """Generations."""

    def __init__(
        self,
        store: Store,
        forecasts: ForecastStore,
        providers: ProviderStore,
        prompts: PromptStore,
        sources: Sources,
        embedder: Embedder,
    ) -> None:
        self._embedder = embedder
        self._store = store
        self._forecasts = forecasts
        self._providers = providers
        self._prompts = prompts
        self._sources = sources

    async def CreateGeneration(
        self, request: generation_pb.CreateGenerationRequest, context: Context
    ) -> generation_pb.CreateGenerationResponse:
        made = await self._store.generation_made_by(request.request_id)
        if made is None:
            wanted = generation_from_pb(request.generation)
            provider, *helpers = await self._providers.get_asked(wanted.provider_id, wanted.options)
            check_gates(wanted.options.gates)
            check_wanted_templates(wanted.options)
            check_coverage(wanted.options)
            check_helpers(wanted, helpers)
            for helper in (provider, *helpers):
                if helper.id == wanted.options.gates.embedding_provider_id:
                    await self._embedder.check(helper)
            check_generation(wanted, provider, has_source=await self._sources.any(wanted))
            await self._sources.check_originals(wanted)
            prices = await self._providers.prices(provider, *helpers)
            check_prices(wanted.options.max_cost, prices, one_currency=bool(helpers))
            versions = await self._prompts.current_versions(wanted.project_id)
            wanted = replace(wanted, prompt_versions=versions)
            made = await self._store.create_generation(wanted, request.request_id)
        view = await self._store.view_generation(made)
        return generation_pb.CreateGenerationResponse(generation=generation_to_pb(view))

    async def GetGeneration(
        self, request: generation_pb.GetGenerationRequest, context: Context
    ) -> generation_pb.GetGenerationResponse:
        view = await self._store.view_generation(request.id)
        asked = await self._providers.get_asked(view.generation.provider_id, view.generation.options)
        forecast = await self._forecasts.tell(view, await self._providers.prices(*asked))
        return generation_pb.GetGenerationResponse(generation=generation_to_pb(view, forecast))

    async def ListGenerations(
        self, request: generation_pb.ListGenerationsRequest, context: Context
    ) -> generation_pb.ListGenerationsResponse:
        wanted = page_request(request.page_size, request.page_token, request.project_id)
        page = await self._store.list_generations(wanted, request.project_id)
        return generation_pb.ListGenerationsResponse(
            generations=map(generation_to_pb, page.rows), next_page_token=page.next_token
        )

    async def UpdateGeneration(
        self, request: generation_pb.UpdateGenerationRequest, context: Context
    ) -> generation_pb.UpdateGenerationResponse:
        paths = check_mask(request.update_mask, *GENERATION_FIELDS)
        view = await self._store.view_generation(request.generation.id)
        message = merged_generation(view, request.generation, paths)
        # The rules of a new generation hold for a changed one.
        check_message(generation_pb.CreateGenerationRequest(generation=message))
        asked = await self._providers.get_asked(view.generation.provider_id, view.generation.options)
        check_prices(message.options.max_cost, await self._providers.prices(*asked))
        await self._store.set_options(view.generation.id, changed_options(message, paths))
        return generation_pb.UpdateGenerationResponse(
            generation=generation_to_pb(await self._store.view_generation(view.generation.id))
        )

    async def DeleteGeneration(
        self, request: generation_pb.DeleteGenerationRequest, context: Context
    ) -> generation_pb.DeleteGenerationResponse:
        questions, candidates = await self._store.delete_generation(request.id)
        return generation_pb.DeleteGenerationResponse(
            deleted_questions=questions, deleted_candidates=candidates
        )


def servicers(
    providers: ProviderServicer,
    generations: GenerationServicer,
    questions: QuestionServicer,
    prompts: PromptServicer,
    tags: TagServicer,
    genre_audiences: GenreAudienceServicer,
    candidates: CandidateServicer,
    question_templates: QuestionTemplateServicer,
    coverage: CoverageServicer,
) -> list[Servicer]:
    """The services of the room."""
    package = "sishu.generation.v1"
    return [
        Servicer(f"{package}.ProviderService", add_ProviderServiceServicer_to_server, providers),
        Servicer(f"{package}.GenerationService", add_GenerationServiceServicer_to_server, generations),
        Servicer(f"{package}.QuestionService", add_QuestionServiceServicer_to_server, questions),
        Servicer(f"{package}.PromptService", add_PromptServiceServicer_to_server, prompts),
        Servicer(f"{package}.TagService", add_TagServiceServicer_to_server, tags),
        Servicer(
            f"{package}.GenreAudienceService", add_GenreAudienceServiceServicer_to_server, genre_audiences
        ),
        Servicer(f"{package}.CandidateService", add_CandidateServiceServicer_to_server, candidates),
        Servicer(
            f"{package}.QuestionTemplateService",
            add_QuestionTemplateServiceServicer_to_server,
            question_templates,
        ),
        Servicer(f"{package}.CoverageService", add_CoverageServiceServicer_to_server, coverage),
    ]
