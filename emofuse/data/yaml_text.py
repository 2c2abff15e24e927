"""YAML that somebody else may have written, as plain values; what is wrong with it is said in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from emofuse.data.value_bounds import DEEPEST, check_values

_MOST_VALUES = 100_000
# libyaml's reader takes a tenth of the time; PyYAML may have been built without it.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_yaml(text: str) -> Any:
    """The values of a YAML text, None where it is empty.

    Raises:
        ValueError: it is no YAML, nests too deeply, unfolds to more than a file of settings says, or holds a number that is
            not finite or a NUL.
    """
    loader = None
    try:
        _check_nesting(text)
        loader = _LOADER(text)
        node = loader.get_single_node()
        if node is None:
            return None
        for _ in _walk(node):
            pass  # merge keys and references are unfolded when values are made of the nodes
        content = loader.construct_document(node)
        check_values(content)
    except RecursionError:
        raise ValueError("it nests too deeply") from None
    except yaml.YAMLError as error:
        raise ValueError(f"it is not YAML: {error}") from None
    except (TypeError, OverflowError) as error:
        raise ValueError(str(error)) from None
    finally:
        if loader is not None:
            loader.dispose()
    return content


def _walk(root: yaml.Node) -> Iterator[yaml.Node]:
    """Every node, and those inside of it, as often as it is referred to.

    Raises:
        ValueError: they are more, or nest more deeply, than those of any file of ours.
    """
    count, open_ = 0, [(root, 0)]
    while open_:
        node, depth = open_.pop()
        count += 1
        if count > _MOST_VALUES:
            raise ValueError(f"it unfolds to more than {_MOST_VALUES:,} values")
        if depth > DEEPEST:
            raise ValueError(f"it nests more than {DEEPEST} levels deep")
        yield node
        open_.extend((part, depth + 1) for part in _parts_of_node(node))


def _check_nesting(text: str) -> None:
    """See that YAML is flat enough before nodes are made of it: libyaml's reader does that by recursion, without a limit.

    Raises:
        ValueError: it is not.
        yaml.YAMLError: it is no YAML.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"it nests more than {DEEPEST} levels deep")


def _parts_of_node(node: yaml.Node) -> Iterable[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else ()
