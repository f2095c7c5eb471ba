"""docs/openapi.yaml as data, and what of an answer is not as it says."""
import re

import yaml
from lib import ROOT

DOCUMENT = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
METHODS = ("get", "post", "put", "patch", "delete")


def resolve(node):
    while "$ref" in node:
        target = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool,
         "null": type(None)}


def violations(value, schema, where="answer"):
    """What of value is not as the schema says: the part of JSON Schema that the document uses."""
    schema = resolve(schema)
    if "oneOf" in schema:
        fits = [s for s in schema["oneOf"] if not list(violations(value, s))]
        if len(fits) != 1:
            yield f"{where}: fits {len(fits)} of oneOf"
        return
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(type(value) is TYPES[k] for k in kinds):
        yield f"{where}: {value!r} is no {kinds}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is none of {schema['enum']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{where}: {value!r} does not match {schema['pattern']}"
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for name in schema.get("required", []):
            if name not in value:
                yield f"{where}: {name} is missing"
        for name, member in value.items():
            if name in known:
                yield from violations(member, known[name], f"{where}.{name}")
            elif schema.get("additionalProperties") is False:
                yield f"{where}: {name} is not described"
    if isinstance(value, list):
        for i, element in enumerate(value):
            yield from violations(element, schema.get("items", {}), f"{where}[{i}]")


def operations():
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method], item.get("parameters", [])


def path_of(pattern):
    return pattern.replace("*}", "}")
