"""The table of languages: the one place where a language's spelling, endings and grammar stand.

It is data. Look-ups by name and by path are in `languages`, inference from content lives with the
stage that needs it. The endings and file names follow those of linguist (`linguist.LICENSE`),
where it has them.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language, with everything that is known before a file is opened."""

    name: str
    """The paper's spelling for its 89 languages, the customary spelling for the others."""

    paper: bool
    """Whether it is one of the 89 languages of the paper's file-level corpus."""

    aliases: tuple[str, ...]
    """Other names in lower case; dialects that are filed under this language are among them."""

    extensions: tuple[str, ...]
    """Endings in lower case with their dot, such as ".py" or the compound ".d.ts"."""

    filenames: tuple[str, ...]
    """Whole file names, matched exactly, such as "Makefile"."""

    grammar: str | None
    """The name of the grammar in tree-sitter-language-pack, None where none is usable."""

    family: str
    """The near-duplicate domain: dialects, and languages that pass files around, share one."""


def _language(
    name: str,
    grammar: str | None,
    endings: str,
    files: str = "",
    *,
    aliases: str = "",
    family: str = "",
    paper: bool,
) -> Language:
    """Build a row of the table; endings and files part at spaces, aliases at commas."""
    return Language(
        name=name,
        paper=paper,
        aliases=tuple(alias.strip() for alias in aliases.split(",") if alias.strip()),
        extensions=tuple(endings.split()),
        filenames=tuple(files.split()),
        grammar=grammar,
        family=family or name.lower(),
    )


_paper = partial(_language, paper=True)
_other = partial(_language, paper=False)

# An ending has one owner: the language it means most often in public code. Endings without a
# clear winner (.inc, .pro, .cgi, .g, .i, .sls, .bs, .spec, .txt) have none. `languages` has the
# other languages that an ending may mean; the content tells which.
# A dialect is filed under its parent unless it needs a grammar of its own, as TSX, Zsh and
# the interface files of OCaml and F# do: the parent's grammar would find syntax errors in good
# files.
# The formatter is off because it would spread every row over a dozen lines.
# fmt: off
_PAPER_LANGUAGES: Final = (
    _paper("ANTLR", None, ".g4"),
    _paper("Ada", "ada", ".ada .adb .ads"),
    _paper("Agda", "agda", ".agda"),
    _paper("Alloy", None, ".als"),
    _paper("AppleScript", None, ".applescript .scpt"),
    _paper("Assembly", "asm", ".asm .nasm .nas .s .a51 .x68",
           aliases="asm, nasm, unix assembly, motorola 68k assembly"),
    _paper("Augeas", None, ".aug"),
    _paper("AWK", None, ".awk .auk .gawk .mawk .nawk", aliases="gawk"),
    _paper("Batchfile", None, ".bat .cmd", aliases="batch, bat, dosbatch"),
    _paper("Bluespec", None, ".bsv"),
    _paper("C", "c", ".c .h .cats .idc .h.in .c.in", family="c"),
    _paper("C#", "csharp", ".cs .csx .cake .linq .cs.pp", aliases="csharp, c sharp"),
    _paper("C++", "cpp", ".cpp .cc .cxx .c++ .cppm .ixx .hpp .hh .hxx .h++ .inl .ipp .tcc .tpp "
           ".txx .ino .cp .hpp.in .cpp.in", aliases="cpp, arduino", family="c"),
    _paper("CMake", "cmake", ".cmake .cmake.in", "CMakeLists.txt"),
    _paper("CSS", "css", ".css"),
    _paper("Clojure", "clojure", ".clj .cljs .cljc .cljx .cljscm .cl2 .boot .edn .cljs.hl .hic",
           "riemann.config", aliases="clojurescript, edn"),
    _paper("CoffeeScript", None, ".coffee ._coffee .cjsx .iced .coffee.erb .js.coffee.erb",
           "Cakefile", aliases="coffee", family="javascript"),
    _paper("Common Lisp", "commonlisp", ".lisp .lsp .asd .sexp .ros .ny .podsl", ".sbclrc",
           aliases="lisp, commonlisp"),
    _paper("CUDA", "cuda", ".cu .cuh", family="c"),
    _paper("Dart", "dart", ".dart"),
    _paper("Dockerfile", "dockerfile", ".dockerfile .containerfile", "Dockerfile Containerfile",
           aliases="docker, containerfile"),
    _paper("Elixir", "elixir", ".ex .exs", "mix.lock"),
    _paper("Elm", "elm", ".elm"),
    _paper("Emacs Lisp", "elisp", ".el .emacs .emacs.desktop",
           ".emacs _emacs .emacs.desktop .gnus .spacemacs .viper .abbrev_defs abbrev_defs Cask "
           "Project.ede Eask", aliases="elisp, emacs, emacs-lisp"),
    _paper("Erlang", "erlang", ".erl .hrl .yrl .xrl .escript .app .app.src",
           "Emakefile rebar.config rebar.config.lock rebar.lock"),
    _paper("F#", "fsharp", ".fs .fsx .fsscript", aliases="fsharp, f sharp"),
    _paper("Fortran", "fortran", ".f .f77 .f90 .f95 .f03 .f08 .f18 .for .ftn .fpp",
           aliases="fortran free form"),
    _paper("GLSL", "glsl", ".glsl .glslf .glslv .vert .frag .geom .tesc .tese .comp .vsh .fsh .gsh "
           ".vs .vshader .fshader .frg .vrx .fp .gshader .rgen .rchit .rahit .rmiss .rint .rcall",
           family="shader"),
    _paper("Go", "go", ".go", aliases="golang"),
    _paper("Groovy", "groovy", ".groovy .gradle .gvy .gy .gtpl .grt", "Jenkinsfile",
           aliases="gradle"),
    _paper("HTML", "html", ".html .htm .xhtml .xht .shtml .hta .html.hl", aliases="xhtml"),
    _paper("Haskell", "haskell", ".hs .hs-boot .hsc", aliases="hs"),
    _paper("Idris", None, ".idr .lidr"),
    _paper("Isabelle", None, ".thy", "ROOT", aliases="isabelle root"),
    _paper("JSON", "json", ".json .jsonc .jsonl .ndjson .geojson .topojson .jsonld .webmanifest "
           ".webapp .har .gltf .avsc .arb .tfstate .tfstate.backup .tern-config .tern-project "
           ".mcmeta .yyp .json.example .code-workspace .code-snippets .sublime-build "
           ".sublime-commands .sublime-completions .sublime-keymap .sublime-menu .sublime-mousemap "
           ".sublime-project .sublime-settings .sublime-theme .sublime-color-scheme .sublime-macro "
           ".sublime-workspace .sublime_metrics .sublime_session .json-tmlanguage .hujson .sarif "
           ".slnlaunch .4dform .4dproject",
           ".arcconfig .babelrc .bowerrc .jscsrc .jshintrc .jslintrc .nycrc .swcrc .watchmanconfig "
           ".tern-config .tern-project .auto-changelog .all-contributorsrc .c8rc .htmlhintrc "
           ".imgbotconfig .secrets.baseline Pipfile.lock "
           "composer.lock deno.lock flake.lock mcmod.info Package.resolved bun.lock "
           "MODULE.bazel.lock", aliases="json with comments, jsonc, jsonld, json lines"),
    _paper("Java", "java", ".java .jav .jsh"),
    _paper("Java Server Pages", None, ".jsp .jspf .jspx .tagx", aliases="jsp", family="html"),
    _paper("JavaScript", "javascript", ".js .mjs .cjs .jsx .es .es6 .jsm .jss .jsb .jscad .jsfl "
           ".gs .js.frag .ssjs .sjs .xsjs .xsjslib .njs .bones ._js .jake .javascript .jslib "
           ".jspre .pac", "Jakefile",
           aliases="js, jsx, node, ecmascript", family="javascript"),
    _paper("Julia", "julia", ".jl"),
    _paper("Kotlin", "kotlin", ".kt .kts .ktm", aliases="gradle kotlin dsl"),
    _paper("Lean", None, ".lean .hlean", aliases="lean 4, lean4"),
    _paper("Literate Agda", None, ".lagda .lagda.md .lagda.rst .lagda.tex .lagda.org .lagda.typ",
           family="agda"),
    _paper("Literate CoffeeScript", None, ".litcoffee .coffee.md", aliases="litcoffee",
           family="javascript"),
    _paper("Literate Haskell", None, ".lhs .lhs-boot", aliases="lhs, lhaskell", family="haskell"),
    _paper("Lua", "lua", ".lua .rockspec .pd_lua .wlua .nse .p8 .rbxs", ".luacheckrc",
           family="lua"),
    _paper("Makefile", "make", ".mk .mak .make .makefile .mkfile",
           "Makefile makefile GNUmakefile BSDmakefile Makefile.frag Kbuild mkfile", aliases="make"),
    _paper("Maple", None, ".mpl .maple"),
    _paper("Markdown", "markdown",
           ".md .markdown .mdown .mdwn .mkd .mkdn .mkdown .ronn .scd .livemd .workbook .mdc",
           "contents.lr", aliases="md, pandoc", family="markdown"),
    _paper("Mathematica", None, ".wl .wls .wlt .nb .nbp .mt .mathematica",
           aliases="wolfram language, wolfram, mma"),
    _paper("MATLAB", "matlab", ".m .matlab", aliases="octave"),
    _paper("OCaml", "ocaml", ".ml .mll .mly .eliom .ml4", ".ocamlinit", family="ocaml"),
    _paper("PHP", "php", ".php .php3 .php4 .php5 .php7 .php8 .phps .phpt .phtml .ctp .aw",
           ".php .php_cs .php_cs.dist Phakefile", family="php"),
    _paper("Pascal", "pascal", ".pas .pascal .dpr .dpk .lpr .dfm",
           aliases="delphi, objectpascal, object pascal"),
    _paper("Perl", "perl", ".pl .pm .t .perl .ph .plx .psgi",
           "Rexfile ack cpanfile latexmkrc .latexmkrc", aliases="cperl"),
    _paper("PowerShell", "powershell", ".ps1 .psm1 .psd1", aliases="pwsh, posh"),
    _paper("Prolog", None, ".prolog .yap .swipl"),
    _paper("Protocol Buffer", "proto", ".proto", aliases="protobuf, proto, protocol buffers"),
    _paper("Python", "python", ".py .pyi .pyw .py3 .pyt .pyde .pyp .gyp .gypi .wsgi .tac .xpy .lmi",
           "SConstruct SConscript wscript DEPS .gclient .pythonrc .pythonstartup",
           aliases="py, python3", family="python"),
    # .rd is left out: R's help pages are closer to TeX and would fail R's grammar.
    _paper("R", "r", ".r .rsx .rprofile .rhistory", ".Rprofile .Rhistory .Rapp.history expr-dist",
           aliases="rscript, splus"),
    _paper("RMarkdown", "markdown", ".rmd .qmd", aliases="r markdown, quarto", family="markdown"),
    _paper("Racket", "racket", ".rkt .rktd .rktl .scrbl", family="scheme"),
    _paper("Ruby", "ruby", ".rb .rbi .rbw .rbx .rake .gemspec .podspec .pluginspec .builder "
           ".jbuilder .rabl .ru .rbuild .god .thor .watchr .mspec .prawn .ruby .eye",
           "Rakefile Gemfile Appraisals Berksfile Brewfile Buildfile Capfile Dangerfile "
           "Deliverfile Fastfile Guardfile Jarfile Mavenfile Podfile Puppetfile Snapfile Steepfile "
           "Thorfile Vagrantfile Appfile Matchfile Pluginfile buildfile .irbrc .pryrc .simplecov",
           aliases="rb, jruby, macruby"),
    _paper("Rust", "rust", ".rs .rs.in", aliases="rs"),
    _paper("SAS", None, ".sas"),
    _paper("SPARQL", "sparql", ".sparql .rq"),
    _paper("SQL", "sql", ".sql .ddl .dml .mysql .pgsql .plsql .tsql .pls .plb .pks .pkb .pck .prc "
           ".udf .viw .vw .db2 .hql .bdy .spc .fnc .trg .tps .tpb",
           aliases="plsql, plpgsql, tsql, sqlpl, mysql, postgresql"),
    _paper("Scala", "scala", ".scala .sc .sbt .kojo"),
    _paper("Scheme", "scheme", ".scm .ss .sps .sld", family="scheme"),
    _paper("Shell", "bash",
           ".sh .bash .ksh .bats .command .ebuild .eclass .tmux .sbatch .slurm .tool .pacscript "
           ".sh.in",
           ".bashrc .bash_profile .bash_aliases .bash_functions .bash_history .bash_login "
           ".bash_logout .profile .kshrc .envrc .flaskenv .tmux.conf .xinitrc .xprofile .xsession "
           "bashrc bash_profile bash_aliases bash_logout profile kshrc tmux.conf xinitrc xsession "
           "PKGBUILD APKBUILD gradlew mvnw 9fs man",
           aliases="bash, sh, ksh, shell-script, alpine abuild", family="shell"),
    _paper("Smalltalk", None, ".st", aliases="squeak"),
    _paper("Solidity", "solidity", ".sol"),
    _paper("Stan", None, ".stan"),
    _paper("Standard ML", None, ".sml .fun .sig", aliases="sml"),
    _paper("Stata", None, ".do .ado .doh .mata .matah .ihlp .sthlp"),
    _paper("Swift", "swift", ".swift .swiftinterface"),
    # The Verilog grammar covers IEEE 1800, which merged both languages.
    _paper("SystemVerilog", "verilog", ".sv .svh .svi .vh", family="verilog"),
    _paper("Tcl", "tcl", ".tcl .tcl.in .tm .adp .sdc .xdc .itcl .itk .tk", "owh starfield"),
    _paper("Tcsh", None, ".tcsh .csh", ".cshrc .tcshrc .login cshrc tcshrc", aliases="csh",
           family="shell"),
    _paper("TeX", "latex",
           ".tex .sty .cls .ltx .latex .dtx .ins .aux .bbx .cbx .lbx .tikz .mkii .mkiv .mkvi",
           aliases="latex"),
    _paper("Thrift", "thrift", ".thrift"),
    _paper("TypeScript", "typescript", ".ts .mts .cts .d.ts", aliases="ts", family="javascript"),
    _paper("VHDL", "vhdl", ".vhd .vhdl .vhf .vhi .vho .vhs .vht .vhw"),
    _paper("Verilog", "verilog", ".v .veo .vlg", family="verilog"),
    _paper("Visual Basic", None, ".vb .vbs .vba .bas .frm .ctl .dsr .vbhtml",
           aliases="visual basic .net, visual basic 6.0, vb.net, vbnet, vba, vbscript, vb, vb6"),
    _paper("XSLT", "xml", ".xsl .xslt", aliases="xsl", family="xml"),
    _paper("YAML", "yaml",
           ".yml .yaml .yaml.sed .yml.mysql .syntax .cff .mir .reek .rviz .sublime-syntax "
           ".yaml-tmlanguage",
           ".clang-format .clang-tidy .clangd .gemrc .yamllint CITATION.cff glide.lock "
           "pubspec.lock pixi.lock yarn.lock", aliases="yml"),
    _paper("Yacc", None, ".y .yacc .yy .bison", aliases="bison"),
    _paper("Zig", "zig", ".zig .zon"),
    _paper("reStructuredText", "rst", ".rst .rest .rst.txt .rest.txt", aliases="rst"),
)

_OTHER_LANGUAGES: Final = (
    _other("ActionScript", "actionscript", ".as"),
    _other("Apex", "apex", ".apex .trigger"),
    _other("Astro", "astro", ".astro", family="html"),
    _other("BibTeX", "bibtex", ".bib .bibtex"),
    _other("Bicep", "bicep", ".bicep .bicepparam"),
    _other("BitBake", "bitbake", ".bb .bbappend .bbclass"),
    _other("Blade", None, ".blade .blade.php", family="php"),
    _other("BSL", "bsl", ".bsl .os", aliases="1c enterprise"),
    _other("Cairo", "cairo", ".cairo", aliases="cairo zero"),
    _other("Cap'n Proto", "capnp", ".capnp", aliases="capnp"),
    _other("Clarity", "clarity", ".clar"),
    # The pack's COBOL grammar never returns on some short inputs (a last line of one to six
    # characters), and only killing the process ends it: no parser may be built for it.
    _other("COBOL", None, ".cob .cbl .cobol .cpy .ccp"),
    _other("Crystal", None, ".cr"),
    _other("CSV", "csv", ".csv"),
    _other("Cython", None, ".pyx .pxd .pxi", aliases="pyrex", family="python"),
    _other("D", "d", ".d .di", aliases="dlang"),
    _other("DTD", "dtd", ".dtd", family="xml"),
    _other("Embedded Template", "embeddedtemplate", ".erb .ejs .rhtml .html.erb.deface .ect",
           aliases="html+erb, erb, ejs", family="html"),
    _other("F# Signature", "fsharp_signature", ".fsi", family="f#"),
    _other("Fennel", "fennel", ".fnl"),
    _other("FIRRTL", "firrtl", ".fir"),
    _other("Fish", "fish", ".fish", family="shell"),
    _other("FunC", "func", ".fc"),
    _other("GDScript", "gdscript", ".gd"),
    _other("Git Attributes", "gitattributes", "", ".gitattributes"),
    _other("Gleam", "gleam", ".gleam"),
    _other("GN", "gn", ".gn .gni", ".gn"),
    _other("Go Checksums", "gosum", "", "go.sum go.work.sum"),
    _other("Go Module", "gomod", "", "go.mod", aliases="gomod"),
    _other("GraphQL", "graphql", ".graphql .gql .graphqls"),
    _other("Hack", "hack", ".hack .hhi", family="php"),
    _other("Hare", "hare", ".ha"),
    _other("Haxe", "haxe", ".hx .hxsl"),
    _other("HCL", "hcl", ".hcl .nomad .workflow", family="hcl"),
    _other("HEEx", "heex", ".heex .leex .html.eex", aliases="html+eex", family="html"),
    _other("HLSL", "hlsl", ".hlsl .hlsli .fx .fxh .cginc", family="shader"),
    _other("Ignore List", "gitignore", "",
           ".gitignore .dockerignore .npmignore .eslintignore .prettierignore .helmignore "
           ".gcloudignore .hgignore .vscodeignore .stylelintignore .ignore", aliases="gitignore"),
    _other("INI", "ini", ".ini .cfg .cnf .prefs .fpc .service .socket .target .timer .desktop "
           ".editorconfig .gitconfig",
           ".editorconfig .gitconfig .gitmodules .npmrc .pylintrc .flake8 .coveragerc .buckconfig "
           "pylintrc", aliases="dosini, editorconfig, git config, desktop, npm config",
           family="ini"),
    _other("ISPC", "ispc", ".ispc .isph", family="c"),
    _other("Janet", "janet", ".janet .jdn"),
    _other("JSON5", None, ".json5", family="json"),
    _other("Jsonnet", "jsonnet", ".jsonnet .libsonnet"),
    _other("Kconfig", "kconfig", ".kconfig", "Kconfig Kconfig.debug Config.in"),
    _other("KDL", "kdl", ".kdl"),
    _other("Less", None, ".less", family="css"),
    _other("Lex", None, ".l .lex", aliases="flex"),
    _other("Linker Script", "linkerscript", ".ld .lds .lds.s", "ld.script"),
    _other("LLVM", "llvm", ".ll"),
    _other("Luau", "luau", ".luau", family="lua"),
    _other("MDX", None, ".mdx", family="markdown"),
    _other("Mermaid", "mermaid", ".mmd .mermaid"),
    _other("Meson", "meson", "", "meson.build meson_options.txt meson.options"),
    _other("Nim", "nim", ".nim .nims .nimble .nim.cfg", "nim.cfg"),
    _other("Ninja", "ninja", ".ninja"),
    _other("Nix", "nix", ".nix"),
    _other("Objective-C", "objc", ".mm .objc", aliases="objective-c++, objc, objectivec",
           family="c"),
    _other("OCaml Interface", "ocaml_interface", ".mli .eliomi", family="ocaml"),
    _other("Odin", "odin", ".odin"),
    _other("OpenCL", None, ".cl .opencl", family="c"),
    _other("Org", "org", ".org"),
    _other("PO", "po", ".po .pot", aliases="gettext catalog"),
    _other("Pony", "pony", ".pony"),
    _other("Prisma", "prisma", ".prisma"),
    _other("Properties", "properties", ".properties", aliases="java properties", family="ini"),
    _other("Puppet", "puppet", ".pp"),
    _other("PureScript", "purescript", ".purs"),
    _other("Python Manifest", "pymanifest", "", "MANIFEST.in"),
    _other("QML", "qmljs", ".qml .qbs"),
    _other("Raku", None, ".raku .rakumod .rakutest .p6 .p6l .p6m .6pl .6pm .pm6 .pl6 .nqp",
           aliases="perl 6, perl6", family="perl"),
    _other("re2c", "re2c", ".re2c"),
    _other("ReasonML", None, ".re .rei", aliases="reason", family="ocaml"),
    _other("Rego", "rego", ".rego", aliases="open policy agent"),
    _other("Requirements", "requirements", "",
           "requirements.txt requirements.in requirements-dev.txt requirements_dev.txt "
           "dev-requirements.txt test-requirements.txt requirements-test.txt constraints.txt",
           aliases="pip requirements"),
    _other("Ron", "ron", ".ron"),
    _other("Sass", None, ".sass", family="css"),
    _other("SCSS", "scss", ".scss", family="css"),
    _other("Smali", "smali", ".smali"),
    _other("Smithy", "smithy", ".smithy"),
    _other("Snakemake", None, ".smk", "Snakefile", family="python"),
    _other("Squirrel", "squirrel", ".nut"),
    _other("Starlark", "starlark", ".bzl .star .bazel .bzlmod .sky",
           "BUILD BUCK WORKSPACE Tiltfile", aliases="bazel", family="python"),
    _other("Svelte", "svelte", ".svelte", family="html"),
    _other("TableGen", "tablegen", ".td"),
    _other("Terraform", "terraform", ".tf .tfvars .tofu", ".terraform.lock.hcl", family="hcl"),
    _other("TOML", "toml", ".toml .toml.example",
           "Cargo.lock Pipfile poetry.lock uv.lock pdm.lock Gopkg.lock"),
    _other("TSV", "tsv", ".tsv"),
    _other("TSX", "tsx", ".tsx", family="javascript"),
    _other("Twig", "twig", ".twig", family="html"),
    _other("Typst", "typst", ".typ"),
    _other("Uxntal", "uxntal", ".tal"),
    _other("V", "v", ".vv", "v.mod", aliases="vlang"),
    _other("Vim Script", "vim", ".vim .vimrc .gvimrc",
           ".vimrc .gvimrc .exrc .nvimrc _vimrc _gvimrc vimrc gvimrc", aliases="viml, vim"),
    _other("Vue", "vue", ".vue", family="html"),
    _other("WebAssembly", "wat", ".wat", aliases="wasm text", family="webassembly"),
    _other("WebAssembly Script", "wast", ".wast", family="webassembly"),
    _other("WGSL", "wgsl", ".wgsl", family="shader"),
    _other("XML", "xml", ".xml .xml.dist .xsd .wsdl .svg .rss .atom .rdf .owl .plist .xaml .axaml "
           ".xib .storyboard .csproj .vbproj .fsproj .vcxproj .vcxproj.filters .shproj .sfproj "
           ".props .targets .nuspec .pom .resx .config .xmi .xul .xlf .xliff .kml .gpx .dita "
           ".ditamap .fxml .jelly .launch .ui .urdf .xacro .ivy .pubxml .tmlanguage .tmsnippet "
           ".tmpreferences .tmcommand .tmtheme .sublime-snippet .glade .iml .mxml .vsixmanifest "
           ".wxs .wxi .wxl .xproj .proj .jsproj .wixproj .slnx .natvis .vssettings .vstemplate "
           ".ps1xml .scxml .xmp .x3d .rng",
           ".classpath .project .cproject", aliases="maven pom, xml property list, svg",
           family="xml"),
    _other("Zsh", None, ".zsh .zsh-theme",
           ".zshrc .zshenv .zprofile .zlogin .zlogout zshrc zshenv zprofile zlogin zlogout",
           family="shell"),
)
# fmt: on

LANGUAGES: Final[tuple[Language, ...]] = _PAPER_LANGUAGES + _OTHER_LANGUAGES
"""Every known language: the paper's 89 first, then the others."""
