from __future__ import annotations

from datetime import UTC, datetime

from services.trainer.run_events import told_by_engine


def test_what_people_should_know_of_an_engine_is_told_in_words() -> None:
    started = {"device": "cpu", "precision": "fp32", "steps_total": 12, "micro_batch_tokens": 64}
    events = [
        ({"type": "progress", "phase": "loading", "time": 1.0}, 10),
        ({"type": "started", "time": 2.0, **started}, 20),
        ({"type": "resumed", "time": 3.0, "step": 4, "damaged": ["step-00000006"]}, 30),
        ({"type": "step", "time": 4.0, "step": 5}, 40),
        ({"type": "rolled_back", "time": 5.0, "step": 4, "failed_step": 6, "message": "loss nan"}, 50),
        ({"type": "stopped", "time": 6.0, "step": None}, 60),
        ({"type": "failed", "time": 7.0, "reason": "DISK_FULL", "message": "no space left"}, 70),
    ]
    told = told_by_engine(events)
    assert [(one.kind, one.message) for one in told] == [
        ("started", "trains on cpu in fp32, 12 steps in all, micro batches of at most 64 tokens"),
        ("resumed", "goes on after step 4; damaged and passed over: step-00000006"),
        ("rolled_back", "went back to step 4: loss nan"),
        ("stopped", "stopped before the first step"),
        ("failed", "DISK_FULL: no space left"),
    ]
    # By place and time in the file, as that is read from its beginning by each worker.
    assert [one.source for one in told][:2] == ["20@2.0", "30@3.0"]
    assert told[0].time == datetime.fromtimestamp(2, UTC)
    assert told[2].details == {"step": "4", "failed_step": "6"}
