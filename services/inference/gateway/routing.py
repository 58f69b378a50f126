"""From the model that a request names to the deployment that answers it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from services.inference.deployments import Deployment
from services.runtime.errors import InvalidArgument, NotFound, Unavailable


def answers(deployment: Deployment) -> bool:
    """Whether a request is answered, perhaps after a load."""
    return deployment.state == "ready" or deployment.loads_for_questions


def names_of(deployments: Sequence[Deployment]) -> dict[str, Deployment]:
    """Every deployment that answers, by its model's name where no other has it, else by its id."""
    ready = [each for each in deployments if answers(each)]
    counts = Counter(each.served_model_name for each in ready)
    return {
        each.served_model_name if counts[each.served_model_name] == 1 else each.id: each for each in ready
    }


def find(deployments: Sequence[Deployment], name: str) -> Deployment:
    """The deployment that a request means; its id always does.

    Raises:
        NotFound: there is none of that name.
        InvalidArgument: there are several.
        Unavailable: it does not answer now.
    """
    found = [each for each in deployments if each.id == name] or [
        each for each in deployments if each.served_model_name == name
    ]
    ready = [each for each in found if answers(each)]
    if len(ready) == 1:
        return ready[0]
    if ready:
        raise InvalidArgument(
            "MODEL_AMBIGUOUS",
            f"{len(ready)} deployments serve a model called {name!r}; name one of them by its id: "
            + ", ".join(each.id for each in ready),
            "model",
        )
    if found:
        raise Unavailable(
            "DEPLOYMENT_NOT_READY", f"The model {name!r} does not answer now: it is {found[0].state}."
        )
    raise NotFound("MODEL_NOT_FOUND", f"No deployment serves a model {name!r}.", "model")


def card(name: str, deployment: Deployment) -> dict[str, Any]:
    """A deployment as the list of models shows it."""
    return {
        "id": name,
        "object": "model",
        "created": int(deployment.create_time.timestamp()),
        "owned_by": "sishu",
        "deployment_id": deployment.id,
        "model_id": deployment.model_id,
    }
