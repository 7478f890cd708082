"""A crate's public API, a line an item, from the JSON that rustdoc writes.

    listing.py CRATE.json       prints the lines, sorted

A line holds what another crate can see: the item's name, its generics and bounds, its types with
paths that do not depend on how they were imported, what it is unsafe or const, its attributes (repr,
non_exhaustive, must_use), discriminants, and the impls of every type, auto traits and blanket impls
among them. Names of parameters and documentation are not part of it.
"""

import json
import sys


class Api:
    def __init__(self, crate):
        self.index = crate["index"]
        self.paths = crate["paths"]
        self.name = self.index[str(crate["root"])]["name"]
        self.root = self.index[str(crate["root"])]
        self.lines = set()

    def path(self, path):
        summary = self.paths.get(str(path["id"]))
        if summary is None:
            name = path["path"]
        elif summary["crate_id"] == 0:
            name = self.name + "::" + summary["path"][-1]
        else:
            name = "::".join(summary["path"])
        return name + self.args(path.get("args"))

    def args(self, args):
        if not args:
            return ""
        if "parenthesized" in args:
            inner = args["parenthesized"]
            inputs = ", ".join(self.type(each) for each in inner["inputs"])
            output = f" -> {self.type(inner['output'])}" if inner["output"] else ""
            return f"({inputs}){output}"
        if args == "return_type_notation":
            return "(..)"
        inner = args["angle_bracketed"]
        parts = []
        for arg in inner["args"]:
            (kind, value), = arg.items() if isinstance(arg, dict) else (("infer", "_"),)
            if kind == "lifetime" and value == "'_":
                continue
            parts.append(self.type(value) if kind == "type" else json.dumps(value))
        for constraint in inner["constraints"]:
            (kind, value), = constraint["binding"].items()
            value = self.term(value) if kind == "equality" else self.bounds(value)
            parts.append(f"{constraint['name']} {kind} {value}")
        return f"<{', '.join(parts)}>" if parts else ""

    def term(self, term):
        (kind, value), = term.items()
        return self.type(value) if kind == "type" else json.dumps(value)

    def type(self, ty):
        (kind, value), = ty.items()
        if kind in ("primitive", "generic"):
            return value
        if kind == "resolved_path":
            return self.path(value)
        if kind == "borrowed_ref":
            lifetime = value["lifetime"]
            lifetime = f"{lifetime} " if lifetime and lifetime != "'_" else ""
            return f"&{lifetime}{'mut ' if value['is_mutable'] else ''}{self.type(value['type'])}"
        if kind == "raw_pointer":
            return f"*{'mut' if value['is_mutable'] else 'const'} {self.type(value['type'])}"
        if kind == "slice":
            return f"[{self.type(value)}]"
        if kind == "array":
            return f"[{self.type(value['type'])}; {value['len']}]"
        if kind == "tuple":
            return f"({', '.join(self.type(each) for each in value)})"
        if kind == "impl_trait":
            return f"impl {self.bounds(value)}"
        if kind == "dyn_trait":
            traits = " + ".join(self.poly(each) for each in value["traits"])
            return f"dyn {traits} + {value['lifetime']}"
        if kind == "qualified_path":
            trait = self.path(value["trait"]) if value["trait"] else "_"
            own = self.type(value["self_type"])
            return f"<{own} as {trait}>::{value['name']}{self.args(value['args'])}"
        raise ValueError(f"a type that is not known here: {ty}")

    def poly(self, trait):
        return self.params(trait["generic_params"]) + self.path(trait["trait"])

    def bounds(self, bounds):
        parts = []
        for bound in bounds:
            (kind, value), = bound.items()
            if kind == "trait_bound":
                parts.append(value["modifier"] + " " + self.poly(value))
            else:
                parts.append(json.dumps(value))
        return " + ".join(sorted(parts))

    def params(self, params):
        parts = []
        for param in params:
            (kind, value), = param["kind"].items()
            if kind == "type":
                default = f" = {self.type(value['default'])}" if value["default"] else ""
                parts.append(f"{param['name']}: {self.bounds(value['bounds'])}{default}")
            else:
                parts.append(f"{param['name']} {json.dumps(value)}")
        return f"<{', '.join(parts)}>" if parts else ""

    def where(self, generics):
        parts = []
        for predicate in generics["where_predicates"]:
            (kind, value), = predicate.items()
            if kind == "bound_predicate":
                more = self.params(value["generic_params"])
                parts.append(f"{more}{self.type(value['type'])}: {self.bounds(value['bounds'])}")
            else:
                parts.append(json.dumps(value))
        return f" where {', '.join(sorted(parts))}" if parts else ""

    def attributes(self, item):
        known = []
        for attribute in item["attrs"]:
            if isinstance(attribute, str):
                known.append(attribute)
                continue
            (kind, value), = attribute.items()
            # Under which conditions the item is there; what its own code is told, and its documentation.
            own = ("#[attr = CfgTrace", "#[attr = Inline", "#[allow(", "#[expect(", "#[doc(")
            if kind == "other" and value.startswith(own):
                continue
            known.append(json.dumps(attribute, sort_keys=True))
        if item["deprecation"]:
            known.append("deprecated")
        return "".join(f"#[{each}] " for each in sorted(known))

    def function(self, name, function):
        header = function["header"]
        words = "".join(
            word + " " for word in ("const", "unsafe", "async") if header[f"is_{word}"]
        )
        if header["abi"] != "Rust":
            words += json.dumps(header["abi"]) + " "
        generics, signature = function["generics"], function["sig"]
        inputs = ", ".join(self.type(ty) for _, ty in signature["inputs"])
        output = f" -> {self.type(signature['output'])}" if signature["output"] else ""
        default = "" if function["has_body"] else " (required)"
        params = self.params(generics["params"])
        return f"{words}fn {name}{params}({inputs}){output}{self.where(generics)}{default}"

    def add(self, line, item):
        self.lines.add(self.attributes(item) + line)

    def walk(self):
        self.module(self.root, self.name)
        return sorted(self.lines)

    def module(self, module, name):
        for each in module["inner"]["module"]["items"]:
            item = self.index[str(each)]
            if item["visibility"] == "public":
                self.item(item, name)

    def item(self, item, prefix):
        (kind, value), = item["inner"].items()
        name = f"{prefix}::{item['name']}"
        if kind == "use":
            target = self.index.get(str(value["id"]))
            if target is None:
                self.add(f"use {value['source']} as {value['name']}", item)
            elif value["is_glob"]:
                self.module(target, prefix)
            else:
                self.item(target, prefix)
        elif kind == "module":
            self.add(f"mod {name}", item)
            self.module(item, name)
        elif kind == "struct":
            generics = value["generics"]
            (shape, fields), = (
                value["kind"].items() if isinstance(value["kind"], dict) else (("unit", None),)
            )
            self.add(
                f"struct {name}{self.params(generics['params'])}{self.where(generics)} ({shape})", item
            )
            ids = fields["fields"] if shape == "plain" else fields or []
            for place, each in enumerate(ids):
                field = self.index.get(str(each)) if each is not None else None
                if field and field["visibility"] == "public":
                    ty = self.type(field["inner"]["struct_field"])
                    self.add(f"field {name}::{field['name'] or place}: {ty}", field)
            self.impls(value["impls"], name)
        elif kind == "enum":
            self.add(f"enum {name}{self.params(value['generics']['params'])}", item)
            for each in value["variants"]:
                variant = self.index[str(each)]
                inner = variant["inner"]["variant"]
                assert inner["kind"] == "plain", "a variant with fields is not known here"
                discriminant = inner["discriminant"] and inner["discriminant"]["value"]
                self.add(f"variant {name}::{variant['name']} = {discriminant}", variant)
            self.impls(value["impls"], name)
        elif kind == "trait":
            words = "unsafe " if value["is_unsafe"] else ""
            generics = value["generics"]
            params = self.params(generics["params"]) + self.where(generics)
            self.add(f"{words}trait {name}{params}: {self.bounds(value['bounds'])}", item)
            for each in value["items"]:
                self.member(self.index[str(each)], f"trait {name}")
            self.impls(value["implementations"], name)
        elif kind == "function":
            self.add(self.function(name, value), item)
        else:
            raise ValueError(f"an item that is not known here: {kind} {name}")

    def member(self, item, owner):
        (kind, value), = item["inner"].items()
        if kind == "function":
            self.add(f"{owner} {self.function(item['name'], value)}", item)
        elif kind == "assoc_type":
            ty = self.type(value["type"]) if value["type"] else None
            self.add(f"{owner} type {item['name']}: {self.bounds(value['bounds'])} = {ty}", item)
        elif kind == "assoc_const":
            self.add(f"{owner} const {item['name']}: {self.type(value['type'])}", item)
        else:
            raise ValueError(f"a member that is not known here: {kind}")

    def impls(self, ids, name):
        for each in ids:
            item = self.index.get(str(each))
            if item is None:
                continue
            value = item["inner"]["impl"]
            own = self.type(value["for"])
            words = "unsafe " if value["is_unsafe"] else ""
            params = self.params(value["generics"]["params"])
            where = self.where(value["generics"])
            if value["trait"] is None:
                owner = f"impl{params} {own}{where}"
            else:
                sign = "!" if value["is_negative"] else ""
                owner = f"{words}impl{params} {sign}{self.path(value['trait'])} for {own}{where}"
                blanket = value["blanket_impl"]
                self.add(owner + (f" by {self.type(blanket)}" if blanket else ""), item)
                if blanket:
                    continue
            for member in value["items"]:
                member = self.index[str(member)]
                if value["trait"] is not None or member["visibility"] == "public":
                    self.member(member, owner)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        crate = json.load(file)
    for line in Api(crate).walk():
        print(line)


main()
