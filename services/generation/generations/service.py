"""`GenerationService`: one thin method an rpc."""

from __future__ import annotations

from dataclasses import replace

from services.generation.asking.budgets import check_prices
from services.generation.calls.embeddings import Embedder
from services.generation.coverage.coverage import check_coverage
from services.generation.forecasts.store import ForecastStore
from services.generation.gates.gates import check_gates
from services.generation.generations.convert import (
    GENERATION_FIELDS,
    changed_options,
    generation_from_pb,
    generation_to_pb,
    merged_generation,
)
from services.generation.generations.generations import check_generation, check_helpers
from services.generation.generations.store import Store
from services.generation.prompts.store import PromptStore
from services.generation.providers.store import ProviderStore
from services.generation.question_templates.question_templates import check_wanted_templates
from services.generation.sources.sources import Sources
from services.runtime.interceptors import Context, check_message
from services.runtime.masks import check_mask
from services.runtime.pages import page_request
from sishu.generation.v1 import generation_service_pb2 as generation_pb
from sishu.generation.v1.generation_service_pb2_grpc import (
    GenerationServiceServicer,
)


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
