"""Which nodes of which grammar are functions, comments, calls and so on: one query a grammar.

Grammars share most of their names. A grammar's query asks for the names below that it has; where
a name means something else in it, or it needs a pattern, a table says so.
"""

from collections.abc import Mapping
from functools import cache

from tree_sitter import Language, Query

_KINDS: Mapping[str, str] = {
    "function": """
        function_definition function_declaration function_item function_statement function_def
        macro_def macro_definition fun_decl function_or_value_defn method_or_prop_defn
        method_definition method_declaration singleton_method constructor_declaration
        compact_constructor_declaration secondary_constructor destructor_declaration
        constructor_definition modifier_definition init_declaration deinit_declaration
        local_function_statement generator_function_declaration procedure subroutine
        subroutine_declaration_statement method_declaration_statement class_method_definition
        subprogram_body proc_declaration func_declaration procedure_declaration task_declaration
        create_function defProc defun module_field_func value_declaration
    """,
    "class": """
        class_definition class_declaration abstract_class_declaration class_statement
        interface_declaration trait_definition trait_declaration trait_item struct_item
        struct_definition struct_declaration enum_item enum_declaration enum_definition
        record_declaration object_definition object_declaration protocol_declaration
        module_definition union_item impl_item namespace_definition contract_declaration
        library_declaration package_object data_type newtype entity_declaration architecture_body
    """,
    "comment": """
        comment line_comment block_comment doc_comment html_comment multiline_comment
        multi_line_comment single_line_comment bracket_comment documentation_comment
        document_comment comment_block comment_line comment_block_annot comment_line_annot
        sexp_comment js_comment preproc_comment block_documentation_comment haddock
        one_line_comment container_doc_comment groovydoc_comment xml_doc pod
    """,
    "import": """
        import import_statement import_from_statement future_import_statement import_declaration
        import_directive import_header import_spec import_decl import_attribute import_or_export
        preproc_include pp_include pp_include_lib use_declaration use_statement use_clause
        using_directive using_statement with_clause namespace_use_declaration include_statement
        include_directive require_statement require_expression require_once_expression
        include_expression include_once_expression open_module
    """,
    "call": """
        call call_expression function_call method_invocation invocation_expression
        function_call_expression member_call_expression scoped_call_expression
        nullsafe_member_call_expression method_call_expression ambiguous_function_call_expression
        func1op_call_expression macro_invocation macrocall_expression command normal_command
        function_call_expr application_expression apply apply_expression subroutine_call
        procedure_call_statement call_statement object_creation_expression new_expression
        message_expression exprCall exp_apply subroutine_call_statement functioncall
        function_subroutine_call system_tf_call expr_call
    """,
    "branch": """
        if_statement if_expression if if_expr if_clause elif_clause elseif_clause else_if_clause
        elseif_statement elsif unless if_modifier unless_modifier while_modifier until_modifier
        for_statement for_expression for for_in_statement enhanced_for_statement
        foreach_statement for_range_loop for_loop foreach_loop while_loop while_statement
        while_expression while until do_statement do_while_statement do_while_expression
        do_loop_statement repeat_statement repeat_while_statement loop_expression loop_statement
        case_statement switch_case switch_section switch_rule switch_block_statement_group
        switch_expression_arm switch_statement_case switch_entry expression_case type_case
        communication_case match_arm match_case match_conditional_expression case_clause
        case_item case_of_branch when_entry when alternative catch_clause catch_block
        except_clause except_branch rescue exception_handler conditional_expression
        ternary_expression conditional conditional_statement postfix_conditional_expression
        elif_branch if_condition elseif_command
    """,
    "literal": """
        string string_literal interpreted_string_literal raw_string_literal template_string
        char_literal char character_literal character rune_literal integer float number
        number_literal integer_literal float_literal int_literal decimal_integer_literal
        hex_integer_literal octal_integer_literal binary_integer_literal long_literal
        decimal_floating_point_literal hex_floating_point_literal hex_literal bin_literal
        oct_literal unsigned_literal real_literal floating_point_literal imaginary_literal
        encapsed_string nowdoc heredoc heredoc_body interpolated_string_expression
        interpolated_string interpolated_string_literal verbatim_string_literal verbatim_string
        line_string_literal multi_line_string_literal raw_string ansi_c_string quoted_string
        triple_quoted_string format_string numeric_literal expandable_string_literal
        verbatim_string_characters expandable_here_string_literal
        verbatim_here_string_characters str_lit num_lit string_lit literalString literalNumber
        quoted_argument long_string_literal string_array symbol_array regex
    """,
}

# Names that mean something else in a grammar, or less than a pattern below.
_NOT: Mapping[str, str] = {
    "ada": "object_declaration",
    "agda": "import",
    "bitbake": "with_clause",
    "c": "preproc_include",
    "commonlisp": "with_clause",
    "cpp": "preproc_include",
    "csharp": "using_statement",
    "d": "import",
    "elm": "import",
    "erlang": "if_clause import_attribute pp_include pp_include_lib",
    "go": "import_declaration import_spec",
    "java": "import_declaration",
    "javascript": "import import_attribute import_statement using_statement",
    "julia": "if_clause",
    "kotlin": "import_header",
    "ocaml": "constructor_declaration record_declaration",
    "ocaml_interface": "constructor_declaration record_declaration",
    "odin": "using_statement",
    "powershell": "using_statement",
    "proto": "import string",
    "python": "import_statement import_from_statement future_import_statement with_clause",
    "rust": "use_declaration",
    "starlark": "with_clause",
}

_STRUCTS = """
([(struct_specifier body: (_)) (union_specifier body: (_)) (enum_specifier body: (_))] @class)
"""
_CLASSES = "(class_specifier body: (_)) @class"
_INCLUDES = "(preproc_include path: (_) @import)"
_SCRIPT = """
(variable_declarator value: [(arrow_function) (function_expression)] @function)
(assignment_expression right: [(arrow_function) (function_expression)] @function)
(pair value: [(arrow_function) (function_expression)] @function)
(import_statement source: (string) @import)
(export_statement source: (string) @import)
((call_expression function: (identifier) @_word arguments: (arguments . (string) @import))
  (#eq? @_word "require"))
"""
_FIELD = """
(field_definition value: [(arrow_function) (function_expression)] @function)
"""
_PUBLIC_FIELD = """
(public_field_definition value: [(arrow_function) (function_expression)] @function)
"""
_PYTHON = """
[(block (string) @docstring) (module (string) @docstring)]
(import_statement name: [(dotted_name) @import (aliased_import name: (dotted_name) @import)])
(import_from_statement module_name: (_) @import)
(future_import_statement) @import
"""
_REQUIRE = """
((function_call name: (identifier) @_word arguments: (arguments . (string) @import))
  (#eq? @_word "require"))
"""
_DEFINE = """
((list . (symbol) @_word . (list)) @function (#any-of? @_word "define" "define-syntax-rule"))
"""
_ELIXIR = """
((call target: (identifier) @_word) @function
  (#any-of? @_word "def" "defp" "defmacro" "defmacrop"))
((call target: (identifier) @_word) @class (#any-of? @_word "defmodule" "defprotocol" "defimpl"))
((call target: (identifier) @_word (arguments . (_) @import))
  (#any-of? @_word "alias" "import" "require" "use"))
"""
_CLOJURE = """
((list_lit . (sym_lit) @_word) @function (#any-of? @_word "defn" "defn-" "defmacro" "defmethod"))
((list_lit . (sym_lit) @_ns (list_lit . (kwd_lit) @_word
    [(sym_lit) @import (vec_lit . (sym_lit) @import) (list_lit . (sym_lit) @import)]))
  (#eq? @_ns "ns") (#any-of? @_word ":require" ":use" ":import"))
((list_lit . (sym_lit) @_word
    (quoting_lit [(sym_lit) @import (vec_lit . (sym_lit) @import)]))
  (#any-of? @_word "require" "use"))
"""
_POWERSHELL = """
(using_statement (_) @import)
((command command_name: (command_name) @_word command_elements: (command_elements
    . (command_argument_sep) . (generic_token) @import))
  (#match? @_word "(?i)^import-module$"))
((command command_name: (command_name) @_word command_elements: (command_elements
    (command_parameter) @_name . (command_argument_sep) . (generic_token) @import))
  (#match? @_word "(?i)^import-module$") (#match? @_name "(?i)^-name$"))
"""
# Patterns of a grammar's own, beside the names.
_OWN: Mapping[str, str] = {
    "bash": """
((command name: (command_name) @_word . argument: (_) @import) (#any-of? @_word "." "source"))
""",
    "c": _STRUCTS + _INCLUDES,
    "clojure": _CLOJURE,
    "cpp": _STRUCTS + _CLASSES + _INCLUDES,
    "cuda": _STRUCTS + _CLASSES,
    "dart": "(function_body) @function",
    "elixir": _ELIXIR,
    "elm": "(import_clause moduleName: (_) @import)",
    "erlang": """
(import_attribute module: (_) @import)
[(pp_include file: (_) @import) (pp_include_lib file: (_) @import)]
""",
    "fortran": "(function) @function (module) @class",
    "gleam": "(function) @function",
    "glsl": "(struct_specifier (field_declaration_list)) @class",
    "go": """
(type_spec type: [(struct_type) (interface_type)]) @class
(import_spec path: (_) @import)
""",
    "haskell": "(declarations [(function) (bind)] @function) (class) @class",
    "hlsl": _STRUCTS + _CLASSES,
    "java": "(import_declaration (scoped_identifier) @import)",
    "javascript": _SCRIPT + _FIELD,
    "kotlin": "(import_header (identifier) @import)",
    "lua": _REQUIRE,
    "luau": _REQUIRE,
    "objc": _STRUCTS,
    "ocaml": "(let_binding (parameter)) @function",
    "pascal": "(declUses (moduleName) @import)",
    "powershell": _POWERSHELL,
    "proto": "(import path: (string) @import)",
    "python": _PYTHON,
    "r": """
((call function: (identifier) @_word arguments: (arguments . (argument) @import))
  (#any-of? @_word "library" "require" "source"))
""",
    "racket": _DEFINE,
    "ruby": """
(method) @function [(class) (module)] @class
((call method: (identifier) @_word arguments: (argument_list . (string) @import))
  (#any-of? @_word "require" "require_relative" "load"))
""",
    "rust": "(use_declaration argument: (_) @import)",
    "scheme": _DEFINE,
    "starlark": """
(function_definition body: (block . (string) @docstring))
((call function: (identifier) @_word arguments: (argument_list . (string) @import))
  (#eq? @_word "load"))
""",
    "tsx": _SCRIPT + _PUBLIC_FIELD,
    "typescript": _SCRIPT + _PUBLIC_FIELD,
    "zig": """
(Decl (FnProto)) @function
((SuffixExpr (BUILTINIDENTIFIER) @_word (FnCallArguments (ErrorUnionExpr (SuffixExpr
    (STRINGLITERALSINGLE) @import))))
  (#eq? @_word "@import"))
""",
}
_LIKE = {"tsx": "javascript", "typescript": "javascript", "qmljs": "javascript"}


@cache
def query_for(grammar: str, language: Language) -> Query | None:
    """Return a grammar's query, for comments alone where it knows no functions, calls or branches.

    None where it knows not even comments.
    """
    kinds = {
        language.node_kind_for_id(number)
        for number in range(language.node_kind_count)
        if language.node_kind_is_named(number) and language.node_kind_is_visible(number)
    }
    kinds -= set(_NOT.get(_LIKE.get(grammar, grammar), "").split())
    found = {
        capture: [name for name in names.split() if name in kinds]
        for capture, names in _KINDS.items()
    }
    own = _OWN.get(grammar, "")
    if not own and not (found["function"] or found["call"] or found["branch"]):
        if not found["comment"]:
            return None
        found = {"comment": found["comment"]}
    patterns = [
        f"[{' '.join(f'({name})' for name in names)}] @{capture}"
        for capture, names in found.items()
        if names
    ]
    return Query(language, "\n".join([*patterns, own]))
