"""Where a setting comes from, and what is said about one that cannot be."""

import pytest

from memories.engine.config import Config, rules, variables
from memories.engine.errors import UsageError

# The partial file of the original's README.
PARTIAL = """
[search]
enable_index_building = true
enable_background_indexing = false
default_top_k = 5
similarity_threshold = 0.0

[text]
chunk_size = 1000
overlap = 50
max_chunk_size = 1500

[video]
default_codec = "mp4v"
fps = 30.0
frame_width = 512
frame_height = 512

[folder]
max_depth = 10
skip_binary = true
include_hidden = false
max_file_size = 104857600  # 100MB
"""

# A value for every key that is not its default, as an environment variable says it.
OTHER = {
    "log_level": "debug",
    "search.default_top_k": "7",
    "search.max_top_k": "50",
    "search.similarity_threshold": "0.25",
    "search.use_faiss": "yes",
    "search.search_threads": "63",
    "search.cache_size": "9",
    "search.enable_index_building": "0",
    "search.enable_background_indexing": "on",
    "text.chunk_size": "800",
    "text.overlap": "20",
    "text.max_chunk_size": "1200",
    "text.min_chunk_size": "10",
    "video.default_codec": "h264",
    "video.profile": "durable",
    "video.fps": "12.5",
    "video.frame_width": "640",
    "video.frame_height": "480",
    "video.use_hardware_acceleration": "true",
    "video.encoding_threads": "63",
    "qr.version": "20",
    "qr.error_correction": "h",
    "qr.box_size": "3",
    "qr.border": "2",
    "qr.fill_color": "#102030",
    "qr.back_color": "ivory",
    "folder.max_depth": "none",
    "folder.include_extensions": ".rs, py",
    "folder.exclude_extensions": "bak",
    "folder.exclude_patterns": "*/private/*,*.secret",
    "folder.min_file_size": "3",
    "folder.max_file_size": "5000",
    "folder.follow_symlinks": "True",
    "folder.include_hidden": "1",
    "folder.skip_binary": "no",
    "folder.max_original": "77",
    "embeddings.model_name": "some/model",
    "embeddings.revision": "v2",
    "embeddings.use_gpu": "1",
    "embeddings.batch_size": "4",
    "embeddings.max_sequence_length": "128",
    "embeddings.cache_dir": "/models",
    "rerank.model": "some/cross-encoder",
}


def value(config: Config, key: str) -> object:
    for part in key.split("."):
        config = getattr(config, part)
    return config


def test_every_key_has_another_value_in_the_table():
    assert set(OTHER) == set(rules())


@pytest.mark.parametrize("name", sorted(variables()))
def test_every_variable_sets_its_key(name):
    key = variables()[name]
    config = Config.load(env={name: OTHER[key]})
    assert value(config, key) != value(Config(), key)
    assert value(config, key) == value(Config.load(env={}, overrides={key: OTHER[key]}), key)


@pytest.mark.parametrize("key", sorted(rules()))
def test_every_key_refuses_what_it_cannot_be(key):
    with pytest.raises(UsageError, match=rf"the command line: {key} = \{{\}} is not \w+"):
        Config.load(env={}, overrides={key: {}})


def test_the_order_is_flags_environment_file_defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "memvid.toml").write_text("[text]\nchunk_size = 100\noverlap = 1\nmin_chunk_size = 5\n")
    env = {"MEMVID_TEXT_CHUNK_SIZE": "200", "MEMVID_TEXT_OVERLAP": "2"}
    config = Config.load(env=env, overrides={"text.chunk_size": 300})
    assert (config.text.chunk_size, config.text.overlap, config.text.min_chunk_size) == (300, 2, 5)
    assert config.text.max_chunk_size == 1500


def test_a_named_file_is_read_instead_of_the_one_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "memvid.toml").write_text("[text]\noverlap = 1\n")
    (tmp_path / "other.toml").write_text("log_level = 'debug'\n")
    config = Config.load("other.toml", env={})
    assert (config.log_level, config.text.overlap) == ("debug", 50)


def test_a_partial_file_is_enough(tmp_path):
    (tmp_path / "memvid.toml").write_text(PARTIAL)
    config = Config.load(tmp_path / "memvid.toml", env={})
    assert config.video.default_codec == "mp4v"
    assert config.video.frame_width == 512
    assert config.embeddings == Config().embeddings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[text]\nchunk_sise = 1", "unknown key 'text.chunk_sise'; did you mean 'text.chunk_size'?"),
        ("[txt]\nchunk_size = 1", "unknown section [txt]; did you mean 'text'?"),
        ("log_levl = 'info'", "unknown key 'log_levl'; did you mean 'log_level'?"),
        ("text = 5", "text = 5 is not a section"),
        ("[video]\nfps = 0", "video.fps = 0 is not a number from 1 to 240"),
        ("[video]\nfps = true", "video.fps = True is not a number"),
        ("[video]\ndefault_codec = 'xvid'", "is not one of av1, h264, h265, vp9, mp4v"),
        ("[text]\nchunk_size = '1k'", "text.chunk_size = '1k' is not a whole number"),
        ("[text]\nchunk_size = 2.5", "text.chunk_size = 2.5 is not a whole number"),
        ("[folder]\nexclude_patterns = [1]", "is not a list of texts"),
        ("[qr]\nfill_color = 'blurple'", "is not a colour name"),
        ("[text\n", "is not valid TOML"),
        ("a = " + "[" * 20_000, "nested too deeply"),
        ("[video]\nfps = nan", "video.fps = nan is not a number from 1 to 240"),
        ("[search]\nsimilarity_threshold = 1" + "0" * 400, "0… is not a number from -1 to 1"),
        ("[text]\nchunk_size = inf", "text.chunk_size = inf is not a whole number"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, text, said):
    path = tmp_path / "m.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        Config.load(path, env={})
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_an_error_only_when_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Config.load(env={}) == Config()
    with pytest.raises(UsageError, match=r"cannot read the settings in gone.toml: No such file"):
        Config.load("gone.toml", env={})


def test_an_unknown_variable_of_a_section_is_an_error():
    with pytest.raises(UsageError, match="MEMVID_TEXT_CHUNKSIZE; did you mean 'MEMVID_TEXT_CHUNK_SIZE'"):
        Config.load(env={"MEMVID_TEXT_CHUNKSIZE": "5"})


def test_other_programs_variables_and_empty_ones_are_left_alone():
    assert Config.load(env={"MEMVID_HOME": "/x", "MEMVID_WEB_PORT": "1", "MEMVID_LOG_LEVEL": ""}) == Config()


def test_the_short_name_of_the_model_variable_wins():
    env = {"MEMVID_EMBEDDING_MODEL": "short", "MEMVID_EMBEDDINGS_MODEL_NAME": "long"}
    assert Config.load(env=env).embeddings.model_name == "short"


def test_revision_has_the_original_name_too():
    assert Config.from_dict({"embeddings": {"model_revision": "r1"}}).embeddings.revision == "r1"


@pytest.mark.parametrize(
    ("chosen", "key", "follows"),
    [
        ({"text.chunk_size": 4000}, "text.max_chunk_size", 4000),
        ({"text.chunk_size": 60}, "text.min_chunk_size", 60),
        ({"text.chunk_size": 30}, "text.overlap", 30),
        ({"text.max_chunk_size": 500}, "text.chunk_size", 500),
        ({"text.max_chunk_size": 40}, "text.min_chunk_size", 40),
        ({"text.min_chunk_size": 2000}, "text.max_chunk_size", 2000),
        ({"search.max_top_k": 3}, "search.default_top_k", 3),
        ({"search.default_top_k": 300}, "search.max_top_k", 300),
    ],
)
def test_a_default_follows_the_choice_it_contradicts(chosen, key, follows):
    assert value(Config.load(env={}, overrides=chosen), key) == follows


def test_two_choices_that_contradict_are_an_error():
    with pytest.raises(UsageError, match=r"text.chunk_size = 900 is more than text.max_chunk_size = 200"):
        Config.load(env={"MEMVID_TEXT_MAX_CHUNK_SIZE": "200"}, overrides={"text.chunk_size": 900})


def test_settings_made_by_assignment_are_checked_too():
    config = Config()
    config.text.chunk_size = 3000
    assert config.checked().text.max_chunk_size == 3000
    config.search.default_top_k = 0
    with pytest.raises(UsageError, match=r"search\.default_top_k = 0"):
        config.checked()
