"""Every codec reads back, appends, plays and counts."""

import json
import shutil
import subprocess

import pytest

from memories.engine.config import Config
from memories.engine.errors import Damaged, Unsupported, UsageError
from memories.engine.memory import Memory
from memories.engine.profiles import CODECS, choose_profile, profile_for
from memories.engine.readers import readers
from memories.engine.symbols import SymbolMaker
from memories.engine.video import Encoder

from .making import make, prose, source

TEXT = prose(150_000)


@pytest.mark.parametrize("codec", CODECS)
def test_a_codec_reads_back_and_appends(tmp_path, codec):
    path = tmp_path / "m.mp4"
    memory = make(path, {"a.txt": TEXT}, codec=codec)
    memory.commit([source("b.txt", prose(9000, 2))])
    with Memory.open(path) as again:
        assert again.text("a.txt") == TEXT and again.text("b.txt") == prose(9000, 2)
        report = again.verify()
        assert report.ok and report.readers == readers() and report.frames == again.stats()["frames"] > 20
    if shutil.which("ffprobe"):
        asked = ["ffprobe", "-loglevel", "error", "-count_frames", "-show_streams", "-of", "json", path]
        stream = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)["streams"][0]
        assert int(stream["nb_read_frames"]) == report.frames
        assert float(stream["duration"]) == pytest.approx(report.frames / 30)


def test_geometry_and_rate_can_be_chosen(tmp_path):
    profile = choose_profile("universal", None, 1, fps="25", version=33, error="M", scale=3, border=6, width=800)
    memory = Memory.create(tmp_path / "m.mp4")
    memory.settle_profile(profile)
    memory.commit([source("a.txt", prose(5000))])
    with Memory.open(memory.path) as again:
        assert again.frame_image(0).shape == (483 + 1, 800)
        assert again.profile.fps == "25" and again.verify().ok


def test_a_rate_that_no_mp4_can_count_in_becomes_the_nearest_fraction(tmp_path):
    config = Config()
    config.video.fps = 23.976023976
    memory = Memory.create(tmp_path / "m.mp4", config=config)
    memory.commit([source("a.txt", "text")])
    memory.commit([source("b.txt", "text")])
    assert memory.profile.fps == "24000/1001" and memory.verify().ok
    assert [choose_profile(fps=fps).fps for fps in (30, "12.5", 239.123456789)] == ["30", "25/2", "19369/81"]
    for fps in ("1e999999999", "nan", "inf", "1/0", "-5"):
        with pytest.raises(UsageError, match="fps"):
            choose_profile(fps=fps)


def test_what_cannot_be_drawn_is_refused_before_anything_is_written(tmp_path):
    for facts in ({"version": 1}, {"version": 41}, {"error": "X"}, {"scale": 40}, {"fps": "0"}):
        with pytest.raises(UsageError):
            memory = Memory.create(tmp_path / "m.mp4")
            memory.settle_profile(choose_profile("compact", None, 2, **facts))
    with pytest.raises(UsageError):
        Memory.create(tmp_path / "m.mp4", codec="theora")
    assert not list(tmp_path.iterdir())


def test_a_frame_that_comes_back_different_is_never_committed(tmp_path, monkeypatch):
    memory = make(tmp_path / "m.mp4", {"a.txt": "x"})
    before = memory.path.read_bytes()
    real = SymbolMaker.sample

    def sample(self, luma):
        modules = real(self, luma).copy()
        modules[0, 80, 80] ^= 1
        return modules

    monkeypatch.setattr(SymbolMaker, "sample", sample)
    with pytest.raises(Damaged, match="nothing was committed"):
        memory.commit([source("b.txt", prose(5000))])
    monkeypatch.undo()
    assert memory.path.read_bytes() == before


def test_another_codec_configuration_is_refused_and_the_remedy_works(tmp_path, monkeypatch):
    """What another library version might do: the same settings, another `moov`."""
    memory = make(tmp_path / "m.mp4", {"a.txt": TEXT})
    real = Encoder._parts

    def parts(self):
        return (part.replace(b"av01", b"av02") if part[4:8] == b"ftyp" else part for part in real(self))

    with monkeypatch.context() as patch:
        patch.setattr(Encoder, "_parts", parts)
        with pytest.raises(Unsupported, match="memvid vacuum"):
            memory.commit([source("b.txt", "y")])
    fresh = memory.vacuum(tmp_path / "fresh.mp4")
    fresh.commit([source("b.txt", "y")])
    assert fresh.text("a.txt") == TEXT and fresh.text("b.txt") == "y"


def test_a_configuration_that_says_nothing_changes_nothing(tmp_path):
    config = Config()
    config.video.encoding_threads = 2
    assert profile_for("compact", None, config) == choose_profile("compact")
    assert profile_for("durable", None, config).geometry == choose_profile("durable").geometry
