"""Measurements of one stage: what is noticed while its pipeline runs, and on its products."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from jwmirror.core.errors import plain_text
from jwmirror.core.model import Derivation
from jwmirror.core.model.derivation import single_step
from jwmirror.core.model.quality import Measurements
from jwmirror.engine.alignment import alignment_of
from jwmirror.pipeline import registry
from jwmirror.pipeline.measure.fallbacks import FallbackRecorder, listening
from jwmirror.pipeline.measure.files import file_quantities
from jwmirror.pipeline.measure.matches import MatchRecorder
from jwmirror.pipeline.measure.steps import (
    COMPLETE,
    Metadata,
    exposure_of,
    notable_states,
    step_states,
)

log = logging.getLogger(__name__)


class StageObserver:
    """Observes one run of a pipeline; afterwards `measure` returns its measurements.

    `on_step` is called with the name of each step that begins.
    """

    def __init__(self, on_step: Callable[[str], None]) -> None:
        self._on_step = on_step
        self._fallbacks, self._matches = FallbackRecorder(), MatchRecorder()
        self._wanted: set[str] = set()  # steps that neither parameters nor the pipeline skip

    def listening(self) -> AbstractContextManager[None]:
        """Listen to what the pipeline logs meanwhile."""
        return listening(self._fallbacks, self._matches)

    def observed(self, pipeline: Any) -> Any:
        """Return a subclass of a pipeline, or of a step, that reports which steps it skipped."""

        def process(instance: Any, *inputs: Any) -> Any:
            steps = tuple(getattr(instance, "step_defs", ()))  # a step has none
            for name in steps:
                self._announce(name, getattr(instance, name))
            if not steps:
                self._on_step(instance.class_alias)
            result = pipeline.process(instance, *inputs)
            self._wanted.update(step for step in steps if not getattr(instance, step).skip)
            return result

        return registry.with_process(pipeline, process)

    def _announce(self, name: str, step: Any) -> None:
        """Let a step call `on_step` when it begins, before its hooks."""
        run = step.run

        def announced(*inputs: Any) -> Any:
            self._on_step(name)
            return run(*inputs)

        step.run = announced

    def measure(
        self,
        derivation: Derivation,
        made: Sequence[Path],
        products: Sequence[Metadata],
        before: Metadata,
    ) -> Measurements:
        """Return the measurements of a run that made these files.

        `products`: the metadata of the FITS files among them; `before`: of an input that an
        earlier stage made, if there is one. The inputs are in the folder of the products.
        """
        states = step_states(derivation.pipeline, products, before)
        self._wanted |= {step for step in [single_step(derivation.pipeline)] if step}
        first: Metadata = next(iter(products), {})
        return Measurements(
            instrument=str(first.get("meta.instrument.name", "")),
            exp_type=str(first.get("meta.exposure.type", "")),
            steps=notable_states(derivation, states, self._wanted, first),
            fallbacks=self._fallbacks.fallbacks,
            files={path.name: file_quantities(path) for path in made},
            members=self._members(derivation, made, states),
        )

    def _members(
        self, derivation: Derivation, made: Sequence[Path], states: Mapping[str, str]
    ) -> dict[str, dict[str, float]]:
        """Return the quantities of the members; none where the target, and so the WCS, moves.

        A step that is run alone has no members.
        """
        is_alone = bool(single_step(derivation.pipeline))
        if derivation.stage < 3 or is_alone or states.get("assign_mtwcs") == COMPLETE:
            return {}
        inputs = [made[0].parent / item.name for item in derivation.inputs]
        try:
            members = alignment_of(inputs, made)
        except Exception as err:  # of a reader of files or of WCS; the result is good without this
            log.warning("%s: members cannot be measured: %s", derivation.product, plain_text(err))
            return {}
        return {
            name: quantities | self._matches.of_exposure(exposure_of(name))
            for name, quantities in members.items()
        }
