# What one types while working on webgemma. Longer steps are in .ci/setup.sh.

PYTHON ?= python3
# Options for pytest, as in: make test PYTEST="-k tokenizer -x"
PYTEST ?=
# 1 installs torch and transformers too, and runs the tests that compare with them.
REFERENCES ?=
# How many processes run the tests.
WORKERS ?= 2

export PYTHON
export PATH := $(CURDIR)/.venv/bin:$(PATH)

BIN     := .venv/bin
BASIC   := .venv/.installed
TESTS   := .venv/.installed-tests$(if $(REFERENCES),-references)
MODULES := node_modules/.installed
SOURCES := pyproject.toml hatch_build.py

.DELETE_ON_ERROR:
.PHONY: help demo test check format vendor dist clean

help: ## Show what there is to make.
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: $(BASIC) ## Build the site of the built-in model, serve it, print the address.
	@.ci/setup.sh system
	@$(BIN)/webgemma demo

test: $(TESTS) ## Run all tests: of the JavaScript by node, of the rest by pytest.
	@.ci/setup.sh system
	@.ci/setup.sh node
	node --test web/tests/*.test.js
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST)

check: $(TESTS) $(MODULES) ## Check style and types, in Python and JavaScript.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	npm run --silent types
	npx prettier --check web package.json tsconfig.json

format: $(TESTS) $(MODULES) ## Rewrite Python and JavaScript in the project's style.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	npx prettier --write web package.json tsconfig.json

vendor: $(TESTS) ## Fill web/vendor from npm, if it is not complete.
	$(BIN)/python hatch_build.py

dist: $(TESTS) ## Build the sdist, and from it the wheel, into dist/.
	$(BIN)/python -m build --outdir dist .

clean: ## Remove what was installed and built.
	rm -rf .venv node_modules web/vendor dist build

$(BASIC): $(SOURCES)
	@.ci/setup.sh venv
	@touch $@

$(TESTS): $(SOURCES)
	@.ci/setup.sh venv dev$(if $(REFERENCES),$(comma)references)
	@touch $@ $(BASIC)

$(MODULES): package.json | $(TESTS)
	@.ci/setup.sh modules
	@touch $@

comma := ,
