"""Following music: counted on scores whose answers are known by hand."""

import json

import numpy as np
import pytest

from runtime.answer import Answer
from runtime.dances import DANCE_KEYS
from runtime.evidence import EvidenceSettings
from runtime.mel import FRAME_RATE, melspectrogram
from runtime.model import Model
from runtime.session import Judging
from training import cli
from training.data.collections import dance_of
from training.following.fitted import FittedEvidence
from training.following.follow import Named, Screen, Stream, _screen, follow, play


@pytest.fixture
def ways(tiny_model):
    model = Model.load(tiny_model, threads=1)
    return {"mean": Judging(model, 43, aggregation="mean"), "evidence": Judging(model, 43)}


def stream(tone, key, seconds=30.0, label=None):
    return Stream(label or key, lambda: melspectrogram(tone(key, seconds)))


def test_what_was_heard_by_hand():
    names = (None, "jive", "tango", "jive")
    answers = tuple(Answer("dance", (name,)) if name else Answer("not sure") for name in names)
    heard = Named(np.array([5.2, 6.2, 7.2, 8.2]), answers)
    assert heard.at(5.0) == heard.at(5.5) is None
    assert heard.at(6.0) == "jive"
    assert heard.at(100) == "jive"
    assert heard.first == "jive"
    assert heard.flips == 2


def test_what_is_on_the_screen_by_hand():
    def heard(*args):
        return Named(np.array([5.2]), (Answer(*args),))

    answers = [
        (heard("dance", ("jive",)), "jive"),
        (heard("dance", ("jive",)), "tango"),
        (heard("two", ("jive", "tango")), "tango"),
        (heard("two", ("jive", "tango")), "rumba"),
        (heard("none", (), "rumba"), "rumba"),
        (heard("none", (), "rumba"), "samba"),
        (heard("not sure", (), "samba"), "samba"),
    ]
    assert _screen(answers, 6.0) == Screen(6.0, right=3, wrong=2, nothing=2, two=2, two_right=1, closest=1)
    assert _screen(answers, 1.0) == Screen(1.0, right=0, wrong=0, nothing=7, two=0, two_right=0, closest=0)


def test_played_as_a_live_classifier_hears_it(ways, tiny_model, tone):
    from runtime import LiveClassifier

    samples = np.concatenate([tone("rumba", 20.0), tone("jive", 20.0)])
    heard = play(ways, melspectrogram(samples))["evidence"]
    live = LiveClassifier(22_050, model=tiny_model, threads=1)
    updates = [live.push(samples[i : i + 441]) for i in range(0, len(samples), 441)]
    named = tuple(update.dance for update in updates if update)
    assert heard.named[: len(named)] == named
    assert heard.times[0] == pytest.approx(224 / FRAME_RATE)


def test_the_mean_never_lets_go_and_the_evidence_does(ways, tone):
    songs = [stream(tone, key) for key in ("rumba", "jive", "tango")]
    other = stream(tone, "samba", label="other:bachata")
    found = follow(ways, [*songs, other], n_pairs=6)
    assert [s.right for s in found["evidence"].alone] == [3, 3, 3, 3]
    assert (found["mean"].others_named, found["mean"].others) == (1, 1)
    assert found["evidence"].wrong_first == found["evidence"].restless == 0
    assert len(found["evidence"].delays) == 6
    assert max(found["evidence"].delays) < 15
    assert max(found["evidence"].kept) < 10
    assert min(found["mean"].delays) > max(found["evidence"].delays) + 10  # as long as the first lasted


def test_a_wrong_label_is_counted_wrong(ways, tone):
    found = follow(ways, [stream(tone, "rumba", label="jive"), stream(tone, "tango")], n_pairs=3)
    assert [(s.right, s.wrong, s.not_sure) for s in found["evidence"].alone[1:]] == [(1, 1, 0)] * 3
    assert found["evidence"].wrong_first == 1
    assert found["evidence"].delays == []  # one dance named rightly makes no pair


def test_names_of_other_dances():
    assert dance_of("other:hustle") == "discofox"
    assert dance_of("other:bachata") == "bachata"
    assert dance_of("rumba") == "rumba"


def test_command_on_arrays(tmp_path, tone, tiny_model, capsys):
    frames = [melspectrogram(tone(key, 12.0))[:448] for key in ("rumba", "jive", "tango")]
    codes = np.stack(
        [np.clip((10 * np.log10(f + 1e-12) + 100) * 2, 0, 255).astype(np.uint8).T for f in frames]
    )
    np.savez(tmp_path / "a.npz", mel_db=np.stack([codes, codes], axis=1), labels=["rumba", "jive", "tango"])
    out = tmp_path / "out.json"
    status = cli.main(
        ["follow", str(tmp_path / "a.npz"), "--model", str(tiny_model), "--pairs", "4", "-o", str(out)]
    )
    assert status == 0
    content = json.loads(out.read_text())
    assert content["evidence"]["alone"][2] == {"seconds": 20.0, "right": 3, "wrong": 0, "not_sure": 0}
    assert all(delay is None or delay > 15 for delay in content["mean (thesis 3.4)"]["delays"])
    assert "4 pairs" in capsys.readouterr().out


def test_evidence_from_a_file(tmp_path, tone, tiny_model, capsys):
    np.savez(tmp_path / "a.npz", mel_db=np.zeros((1, 1, 224, 300), np.uint8), labels=["rumba"])
    (tmp_path / "e.json").write_text('{"weight": "x"}')
    command = ["follow", str(tmp_path / "a.npz"), "--model", str(tiny_model)]
    assert cli.main([*command, "--evidence", str(tmp_path / "e.json")]) == 1
    assert "e.json" in capsys.readouterr().err


def test_all_of_the_evidence_is_from_the_file(tmp_path, make_tiny_model, tone, capsys):
    """Also the temperature, of which the model has one for all dances: at 99 no dance would be named."""
    codes = np.clip((10 * np.log10(melspectrogram(tone("rumba", 12.0))[:448] + 1e-12) + 100) * 2, 0, 255)
    np.savez(tmp_path / "a.npz", mel_db=codes.astype(np.uint8).T[None, None], labels=["rumba"])
    model = make_tiny_model(group_temperatures='{"all": [99, 99]}')
    (tmp_path / "e.json").write_text(EvidenceSettings().to_json())
    FittedEvidence(EvidenceSettings(temperature=99.0), {"all": (1.0, 1.0)}).write(tmp_path / "groups.json")
    given = [["--evidence", str(tmp_path / name)] for name in ("e.json", "groups.json")]
    for more, right in ((given[0], 1), (given[1], 1), ([], 0)):
        out = tmp_path / "out.json"
        words = ["follow", str(tmp_path / "a.npz"), "--model", str(model), "--pairs", "0", "-o", str(out)]
        assert cli.main([*words, *more]) == 0
        assert json.loads(out.read_text())["evidence"]["alone"][1]["right"] == right
    capsys.readouterr()


def test_every_key_is_one_of_ten():
    assert all(dance_of(key) == key for key in DANCE_KEYS)
