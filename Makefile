# make demo | test | bench | lint | docs | wheel | clean, from a fresh clone: each sets up what it needs in .venv.
# make build is the quick way to recompile what changed in C++; Python files are used from the source tree as is.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

# CMake options for the build in VENV, such as: make test VENV=.venv-serial DEFINES=CORANGE_OPENMP=OFF
DEFINES ?=

# Arguments of pytest, such as: make test-python PYTEST='-k nmf'
PYTEST ?=

BIN := $(VENV)/bin
NAME := $(patsubst .%,%,$(notdir $(VENV)))
BUILD := build/$(NAME)
EDITABLE := --no-build-isolation --config-settings=build-dir=$(BUILD) \
  $(DEFINES:%=--config-settings=cmake.define.%) --editable
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(JOBS)

# setuptools is for peers in [bench] that come as source only.
BUILD_REQUIRES := cmake ninja setuptools>=70.1 $(shell sed -n 's/^requires = \[\(.*\)\]/\1/p' pyproject.toml | tr -d '",')
CMAKE_FILES := CMakeLists.txt $(wildcard cmake/*) cpp/bindings/CMakeLists.txt

.DEFAULT_GOAL := help
.PHONY: help demo test bench lint docs wheel clean build \
  test-python test-cpp test-packaging headers sanitize format compile-times
.DELETE_ON_ERROR:
# The tools use all cores by themselves; two of them in one build folder would not get along.
.NOTPARALLEL:

help:
	@sed -n '1,2s/^# //p' Makefile

# --- the environment: one stamp for each thing installed, so that a second call is quick ---

$(VENV)/.created:
	@$(PYTHON) cmake/preflight.py
	rm -rf $(VENV) $(BUILD)
	$(PYTHON) -m venv $(VENV)
	$(PIP) install $(foreach requirement,$(BUILD_REQUIRES),'$(requirement)')
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml $(CMAKE_FILES)
	@echo "Compiling and installing corange: one to three minutes on two cores"
	$(PIP) install $(EDITABLE) '.[plot]'
	@touch $@

$(VENV)/.extra-%: $(VENV)/.installed
	$(PIP) install $(EDITABLE) '.[$*]'
	@touch $@

build: $(VENV)/.installed
	@$(BIN)/cmake --build $(BUILD)
	@$(BIN)/cmake --install $(BUILD) --strip --prefix \
	  "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')/corange" >$(BUILD)/install.log

# --- what people type ---

demo: build
	$(BIN)/corange demo

test: test-cpp test-python

test-python: build $(VENV)/.extra-test
	$(BIN)/python -m pytest $(PYTEST)

test-cpp: $(VENV)/.created
	@mkdir -p $(BUILD)
	@$(BIN)/cmake -S . -B $(BUILD)-cpp $(CMAKE_TEST_FLAGS) >$(BUILD)/cpp.log || { cat $(BUILD)/cpp.log; exit 1; }
	@$(BIN)/cmake --build $(BUILD)-cpp
	$(BIN)/ctest --test-dir $(BUILD)-cpp --parallel $(JOBS) --output-on-failure

# make bench FAMILY=sketch; python -m bench --help lists the families.
FAMILY ?= svd
bench: build $(VENV)/.extra-bench
	$(BIN)/python -m bench $(FAMILY) --json build/bench-$(FAMILY).json

lint: $(VENV)/.extra-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	find cpp tests cmake -name '*.[ch]pp' -print0 | xargs -0 $(BIN)/clang-format --dry-run -Werror
	$(BIN)/lizard -T nloc=60 -C 20 -w cpp python bench
	@find cpp python bench tests -name '*.[ch]pp' -o -name '*.py' | \
	  xargs awk 'FNR == 401 { print FILENAME " is longer than 400 lines"; bad = 1 } END { exit bad }'

docs: build $(VENV)/.extra-docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going -q -b html docs build/docs
	@echo "build/docs/index.html"

wheel: $(VENV)/.created
	$(PIP) wheel --no-build-isolation --no-deps --wheel-dir dist \
	  --config-settings=build-dir=build/wheel --config-settings=cmake.define.CORANGE_ISA_LEVELS=all .
	@ls -l dist/*.whl

clean:
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# --- what developers type as well ---

format: $(VENV)/.extra-dev
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format
	find cpp tests cmake -name '*.[ch]pp' -print0 | xargs -0 $(BIN)/clang-format -i

CMAKE_TEST_FLAGS = -G Ninja -DCORANGE_BUILD_TESTS=ON -DPython_ROOT_DIR=$(abspath $(VENV)) \
  -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja $(DEFINES:%=-D%)

test-packaging: build $(VENV)/.extra-test
	$(BIN)/python -m pytest -m slow

sanitize: $(VENV)/.created
	@mkdir -p $(BUILD)
	@$(BIN)/cmake -S . -B $(BUILD)-sanitize $(CMAKE_TEST_FLAGS) -DCMAKE_BUILD_TYPE=Debug \
	  -DCMAKE_CXX_FLAGS_DEBUG='-Og -g1' -DCORANGE_SANITIZE=address,undefined >$(BUILD)/sanitize.log || { cat $(BUILD)/sanitize.log; exit 1; }
	@$(BIN)/cmake --build $(BUILD)-sanitize
	$(BIN)/ctest --test-dir $(BUILD)-sanitize --parallel $(JOBS) --output-on-failure

# Each public header compiles alone, as the first line of somebody's program, and all do together; without a warning.
headers: $(VENV)/.created
	@mkdir -p $(BUILD)
	@$(BIN)/cmake -S . -B $(BUILD)-headers $(CMAKE_TEST_FLAGS) -DCMAKE_VERIFY_INTERFACE_HEADER_SETS=ON \
	  -DCMAKE_CXX_FLAGS='-DCORANGE_COMPILED -Wall -Wextra -Wshadow -Werror' -DCMAKE_BUILD_TYPE=Debug >$(BUILD)/headers.log || \
	  { cat $(BUILD)/headers.log; exit 1; }
	$(BIN)/cmake --build $(BUILD)-headers --target all_verify_interface_header_sets consumer

compile-times: build
	@awk -F'\t' 'NR > 1 && $$4 ~ /\.o$$/ { seconds[$$4] = ($$2 - $$1) / 1000 } \
	  END { for (file in seconds) printf "%7.1f s  %s\n", seconds[file], file }' $(BUILD)/.ninja_log | sort -rn
