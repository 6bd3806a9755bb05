"""docs/openapi.json, and whether a JSON value is what it says: as much of JSON Schema as that file uses."""

import json
import re

from l1 import REPO

API = json.loads((REPO / "docs" / "openapi.json").read_text())
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "null": type(None)}


def resolve(schema):
    return API["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema


def is_type(value, name):
    return isinstance(value, TYPES[name]) and not (name == "integer" and isinstance(value, bool))


def faults(value, schema, at="answer"):
    """What of value is not as the schema says: one sentence each."""
    schema = resolve(schema)
    assert set(schema) <= {"type", "description", "enum", "required", "properties", "additionalProperties", "items", "anyOf"}, schema
    if "anyOf" in schema:
        tries = [list(faults(value, s, at)) for s in schema["anyOf"]]
        if all(tries):
            yield from min(tries, key=len)
        return
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(is_type(value, t) for t in types):
        yield f"{at} is {value!r}, no {' or '.join(types)}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at} is {value!r}, none of {schema['enum']}"
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from faults(item, schema["items"], f"{at}[{i}]")
    if isinstance(value, dict):
        known, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
        for name in schema.get("required", []):
            if name not in value:
                yield f"{at}.{name} is not there"
        for name, item in value.items():
            if name in known:
                yield from faults(item, known[name], f"{at}.{name}")
            elif rest is False:
                yield f"{at}.{name} is described nowhere"
            elif isinstance(rest, dict):
                yield from faults(item, rest, f"{at}.{name}")


def operation(method, path):
    """(what the file says of a request, or None; its path there)."""
    path = path.split("?")[0]
    for template, methods in API["paths"].items():
        if re.fullmatch(re.sub(r"\\?\{\w+\\?\}", "[^/]+", template), path) and method.lower() in methods:
            return methods[method.lower()], template
    return None, None


def check(method, path, status, text):
    """Asserts that an answer is one of those that the file has for that request."""
    said, _ = operation(method, path)
    for_all = {r["x-status"]: r for r in API["components"]["responses"].values()}
    found = [r for r in ((said or {}).get("responses", {}).get(str(status)), for_all.get(str(status))) if r]
    assert found, f"{method} {path}: {status} is not described"
    wrong = []
    for response in found:
        kind, content = next(iter(response["content"].items()))
        if kind != "application/json":
            return
        wrong = list(faults(json.loads(text), content["schema"]))
        codes = response.get("x-codes")
        if not wrong and codes and json.loads(text)["code"] not in codes:
            wrong = [f"code {json.loads(text)['code']} is none of {codes}"]
        if not wrong:
            return
    raise AssertionError(f"{method} {path}, {status}: " + "; ".join(wrong))
