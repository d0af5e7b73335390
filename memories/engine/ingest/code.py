"""Source code, cut at functions and classes with tree-sitter; each chunk knows the symbols in it.

Grammars come as one wheel per language and are loaded when a file of that language is met.
A language without a grammar here is cut by its indentation.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from memories.engine.ingest.lines import by_indentation, lines
from memories.engine.ingest.settings import SplitSettings
from memories.engine.ingest.split import SPACES, TRAILING, Ranks, Unit, pack
from memories.engine.model import Draft, Metadata, Source

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

# A syntax tree takes some thirty times the memory of its text, so longer files go by indentation.
LARGEST_TREE = 1 << 19
# tree-sitter reports every hundred steps. Real code was measured at 0.001 to 0.01 reports a byte; some texts that
# are no code send its error recovery on for minutes (27 KB as .tsx: 229 s), so past this they go by indentation too.
REPORTS_PER_BYTE = 0.025
LEAST_REPORTS = 500
BLOCK = 1 << 16
MOST_SYMBOLS = 50
LONGEST_NAME = 100

RANKS: Ranks = (("\n\n",), ("\n",), (";", "}", ","), SPACES)

# Language -> wheel and the function in it that gives the grammar.
GRAMMARS = {
    "python": ("tree_sitter_python", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "go": ("tree_sitter_go", "language"),
    "java": ("tree_sitter_java", "language"),
    "c": ("tree_sitter_c", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
    "csharp": ("tree_sitter_c_sharp", "language"),
    "ruby": ("tree_sitter_ruby", "language"),
    "php": ("tree_sitter_php", "language_php"),
    "bash": ("tree_sitter_bash", "language"),
}

FUNCTIONS = frozenset(
    "function_definition function_item function_declaration generator_function_declaration method_definition "
    "method_declaration constructor_declaration method singleton_method type_alias_declaration macro_definition".split()
)
# Definitions that hold other definitions.
SCOPES = frozenset(
    "class_definition struct_item enum_item trait_item impl_item mod_item union_item class_declaration "
    "abstract_class_declaration interface_declaration enum_declaration record_declaration struct_declaration "
    "namespace_declaration namespace_definition trait_declaration internal_module type_spec class module "
    "struct_specifier class_specifier enum_specifier union_specifier".split()
)
FUNCTION_VALUES = frozenset(("arrow_function", "function_expression", "function"))
# Nodes that only wrap or list definitions.
WRAPPERS = frozenset(
    "decorated_definition export_statement template_declaration lexical_declaration variable_declaration "
    "type_declaration expression_statement linkage_specification".split()
)
BODIES = frozenset(
    "block class_body declaration_list field_declaration_list body_statement interface_body enum_body "
    "enum_class_body statement_block object_type trait_body".split()
)
LEADING = frozenset("comment line_comment block_comment attribute_item".split())


class Border(NamedTuple):
    """A place where a chunk may begin: byte offset, level, the symbol it lies in, whether that begins here."""

    at: int
    level: int
    symbol: str
    defines: bool


def parse(texts: Iterable[str], split: SplitSettings, source: Source, option: str) -> Iterator[Draft]:
    text, rest = _collect(texts)
    data = text.encode() if rest is None else b""
    root = _tree(data, option)
    source.settled = rest is not None or option not in GRAMMARS or (root is not None and not root.has_error)
    units = _units(data, root, split) if root is not None else by_indentation(lines(chain([text], rest or ())))
    del root
    for held in pack(units, split, RANKS):
        yield Draft("".join(unit.text for unit in held), _metadata(held, option))


def _collect(texts: Iterable[str]) -> tuple[str, Iterator[str] | None]:
    """The whole text, or its beginning and the stream of what follows."""
    stream = iter(texts)
    text = ""
    for part in stream:
        text += part
        if len(text) > LARGEST_TREE:
            return text, stream
    return text, None


def _tree(data: bytes, language: str) -> "Node | None":
    """None: no grammar, nothing to parse, or it would take too long."""
    parser = _parser(language)
    if parser is None or not data:
        return None
    left = LEAST_REPORTS + int(len(data) * REPORTS_PER_BYTE)

    def exhausted(offset: int, has_error: bool) -> bool:
        nonlocal left
        left -= 1
        return left < 0

    try:
        return parser.parse(lambda at, point: data[at : at + BLOCK], progress_callback=exhausted).root_node
    except ValueError:  # how the binding says that it was stopped
        parser.reset()
        return None


@cache
def _parser(language: str) -> "Parser | None":
    if language not in GRAMMARS:
        return None
    from tree_sitter import Language, Parser

    module, grammar = GRAMMARS[language]
    return Parser(Language(getattr(import_module(module), grammar)()))


def _metadata(held: list[Unit], language: str) -> Metadata:
    metadata: Metadata = {"language": language}
    notes = [unit.note for unit in held if unit.note and unit.text.strip()]
    if symbol := next((note.symbol for note in notes if note.symbol), ""):
        metadata["symbol"] = symbol
    if symbols := list(dict.fromkeys(note.symbol for note in notes if note.defines)):
        metadata["symbols"] = symbols[:MOST_SYMBOLS]
    return metadata


def _units(data: bytes, root: "Node", split: SplitSettings) -> list[Unit]:
    borders = sorted(_borders(data, root, split.chunk_size), key=lambda border: (border.at, border.level))
    units: list[Unit] = []
    start, current = 0, Border(0, 0, "", False)
    for border in borders:
        if border.at > start:
            units.append(_unit(data[start : border.at], current))
            start, current = border.at, border
        elif border.defines:  # a body and the first definition in it begin at one place
            current = border._replace(level=current.level)
    if start < len(data):
        units.append(_unit(data[start:], current))
    return units


def _unit(data: bytes, border: Border) -> Unit:
    return Unit(data.decode(), border.level, border)


def _borders(data: bytes, root: "Node", chunk_size: int) -> Iterator[Border]:
    """Walks down through whatever holds definitions, and through everything too big for one chunk."""
    waiting = [(root, 0, "", False)]
    while waiting:
        parent, depth, scope, led = waiting.pop()
        children = parent.named_children
        for index, node in enumerate(children):
            defined = _definition(node)
            symbol = _join(scope, _name(defined)) if defined else "" if node.type in LEADING else scope
            led = children[index - 1].type in LEADING if index else led
            opens = _opens(node, defined, chunk_size)
            if opens:
                waiting.append((node, depth + 1, symbol, led and node.type in BODIES))
            if not (opens and node.type in BODIES):  # the border belongs to the first thing in the body
                leads = node.type in LEADING and index + 1 < len(children) and _definition(children[index + 1])
                at, inline = _line_start(data, node.start_byte)
                level = TRAILING if led else 4 * depth + (not (defined or leads)) + 1000 * inline
                yield Border(at, level, symbol, defined is not None)


def _opens(node: "Node", defined: "Node | None", chunk_size: int) -> bool:
    if node.end_byte - node.start_byte > chunk_size:
        return True
    if defined:
        return defined.type in SCOPES
    return node.type in BODIES and node.parent is not None and node.parent.type in SCOPES


def _definition(node: "Node") -> "Node | None":
    """The definition that a node is, or that it wraps."""
    if node.type in FUNCTIONS:
        return node
    if node.type in SCOPES:
        named_only = node.type.endswith("_specifier") and node.child_by_field_name("body") is None
        return None if named_only else node
    if node.type == "variable_declarator":
        value = node.child_by_field_name("value")
        return node if value is not None and value.type in FUNCTION_VALUES else None
    if node.type in WRAPPERS:
        return next(filter(None, map(_definition, node.named_children)), None)
    return None


def _name(node: "Node") -> str:
    found = node.child_by_field_name("name") or _innermost_declarator(node) or node.child_by_field_name("type")
    name = _text(found)
    receiver = node.child_by_field_name("receiver")  # Go: func (s *Ship) Sail()
    if receiver is not None and receiver.named_children:
        owner = _text(receiver.named_children[0].child_by_field_name("type")).lstrip("*")
        name = f"{owner}.{name}" if owner else name
    return name[:LONGEST_NAME]


def _innermost_declarator(node: "Node") -> "Node | None":
    """C: the name lies inside pointers, parameters and the like."""
    found = None
    while (node := node.child_by_field_name("declarator")) is not None:
        found = node
    return found


def _text(node: "Node | None") -> str:
    return (node.text or b"").decode(errors="replace") if node is not None else ""


def _join(scope: str, name: str) -> str:
    if not name or scope.endswith("." + name) or scope == name:
        return scope
    return f"{scope}.{name}" if scope else name


def _line_start(data: bytes, start: int) -> tuple[int, bool]:
    """Where the line begins if only indentation precedes the node, else the node itself (and True)."""
    line = data.rfind(b"\n", 0, start) + 1
    if start - line > 1000 or data[line:start].strip():
        return start, True
    return line, False
