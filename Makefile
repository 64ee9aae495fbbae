# Two commands: `make demo` and `make test`. Each sets up .venv by itself; a second run starts immediately.
PYTHON ?= python3
PIP_FLAGS := --quiet --disable-pip-version-check
VENV := .venv
OLDEST := .venv-oldest
BENCH := .venv-bench
BENCH_LOCAL := .venv-bench-local
AIO := .venv-aio
DEPLOY := .venv-deploy
INTEGRATIONS := .venv-integrations
INTEGRATIONS_OLDEST := .venv-integrations-oldest
DOCS := .venv-docs
WHEEL := .venv-wheel
NODE_MODULES := $(addsuffix /node_modules,examples/node_to_python tests/integrations/otel_node tests/stepfunctions)

.PHONY: demo test check unit coverage oldest aio integrations integrations-oldest versions wheel deployed docs pictures examples javascript \
  node-ric soak soak-local soak-map reliability retry-load bench bench-fan-out bench-local bench-first-call bench-cold-parts bench-warm-parts bench-cli-start lock clean

demo: $(VENV)/.demo
	PYTHONPATH=examples/parent_child/contracts $(VENV)/bin/python examples/parent_child/demo.py

# The tests in three parallel parts: some of their time is spent waiting.
PART_faults := tests/lab tests/wire
PART_processes := tests/local tests/cli tests/project/test_pages.py examples
PART_rest := $(addprefix --ignore=,$(PART_faults) $(PART_processes))
test:
	$(MAKE) --jobs=2 $(VENV)/.test $(OLDEST)/.test $(INTEGRATIONS)/.test javascript
	$(MAKE) --jobs=3 --output-sync=target unit-rest unit-processes unit-faults integrations oldest-core oldest-faults check

check: $(INTEGRATIONS)/.test
	$(INTEGRATIONS)/bin/ruff format --check .
	$(INTEGRATIONS)/bin/ruff check .
	$(INTEGRATIONS)/bin/mypy
	$(INTEGRATIONS)/bin/pyright

unit: $(VENV)/.test
	$(VENV)/bin/python -m pytest

# With the libraries that lambdachain works with: OpenTelemetry, Powertools, httpx, MCP and the others.
integrations: $(INTEGRATIONS)/.test
	$(INTEGRATIONS)/bin/python -m pytest -p no:ddtrace tests/integrations

# On the oldest versions that we support of those libraries, with their warnings about newer ones.
integrations-oldest: $(INTEGRATIONS_OLDEST)/.test
	$(INTEGRATIONS_OLDEST)/bin/python -m pytest -p no:ddtrace -W default tests/integrations --deselect tests/integrations/test_pages.py

unit-%: $(VENV)/.test
	$(VENV)/bin/python -m pytest $(PART_$*)

# Lines and branches that the tests run, subprocesses included; it fails below the floor of pyproject.toml. Two tests
# count the modules that a process loads: coverage has loaded some of them before.
COUNTS_MODULES := test_credentials.py::test_the_environment_alone_needs_no_botocore \
  test_transport.py::test_a_whole_call_loads_no_botocore
coverage: $(VENV)/.test
	$(VENV)/bin/coverage erase
	$(VENV)/bin/coverage run -m pytest -m "not mutations and not typing" $(addprefix --deselect=tests/transports/http/,$(COUNTS_MODULES))
	$(VENV)/bin/coverage combine --quiet
	$(VENV)/bin/coverage report

# On the oldest dependencies: the tests that depend on them. `make oldest` runs all tests there. Those that try each template with
# a thousand unknown or endless values depend on PyYAML no more than the other tests of templates.
ON_OLDEST := -m "not docs and not mutations and not typing" -p no:cacheprovider
OLDEST_core := $(addprefix tests/,agents analysis/compatibility calling client conformance contracts core handler json templates testing) \
  $(addprefix --ignore=tests/templates/test_,bombs.py one_unknown_value.py) \
  tests/test_resolvers.py tests/transports/test_transport_override.py \
  $(addprefix tests/transports/http/test_,credentials.py request.py signing.py) \
  $(addprefix tests/project/test_,imports.py system.py) \
  $(addprefix tests/local/test_,host_check.py runtime_api.py local_invoke.py local_client_streams.py local_headers.py) \
  $(addprefix tests/cli/test_,bad_responses_cli.py call.py credentials.py serve_reload.py) examples src
OLDEST_faults := $(PART_faults) -k "not http"
oldest: $(OLDEST)/.test
	$(OLDEST)/bin/python -m pytest $(ON_OLDEST)

oldest-%: $(OLDEST)/.test
	$(OLDEST)/bin/python -m pytest $(ON_OLDEST) $(OLDEST_$*)

# aiobotocore pins its own botocore version, which differs from the one that the other tests use.
aio: $(AIO)/.test
	$(AIO)/bin/python -m pytest tests/lab tests/wire tests/conformance tests/interceptors tests/client/test_async_client.py \
	  tests/local/test_local_client_streams.py tests/transports/test_aiobotocore_telemetry.py \
	  -k "aiobotocore or (async and (boto3 or test_async_client))" -p no:cacheprovider

# On every CPython from 3.11 to 3.14 that this machine has; `make version-3.13` is one of them.
versions: $(addprefix version-,3.11 3.12 3.13 3.14)

version-%:
	@if python=$$(.ci/find-python $*); then $(MAKE) --no-print-directory PYTHON=$$python VENV=.venv-$* on-version; \
	  else echo "python$*: not on this machine: skipped"; fi

on-version: $(VENV)/.demo
	$(VENV)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt --group test
	$(VENV)/bin/python -m pytest -m "not mutations and not typing" -p no:cacheprovider

# What a user has: the wheel in a fresh environment, an empty home, no checkout. README and all pages run as printed there; they
# and their tests come from the source archive, which has to be complete.
PAGE_TESTS := tests/project/test_pages.py tests/project/test_new_user.py tests/cli/test_serve_pages.py tests/cli/test_survey_pages.py \
  tests/integrations/test_pages.py::test_the_page_runs_as_printed
wheel: $(VENV)/.test
	rm -rf $(WHEEL) && $(PYTHON) -m venv $(WHEEL) && mkdir $(WHEEL)/home $(WHEEL)/archive
	$(VENV)/bin/python -m hatchling build --directory $(WHEEL)/dist
	tar xzf $(WHEEL)/dist/*.tar.gz --strip-components=1 -C $(WHEEL)/archive
	cd $(WHEEL)/archive && PYTHONPATH=src $(CURDIR)/$(VENV)/bin/python -m pytest --collect-only --quiet --quiet
	rm -r $(WHEEL)/archive/src
	$(WHEEL)/bin/python -m pip install $(PIP_FLAGS) "pip>=25.1"
	$(WHEEL)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt "$$(echo $(WHEEL)/dist/*.whl)[local]" --group test --group check --group integrations
	cd $(WHEEL)/archive && env -i PATH="$$PATH" HOME=$(CURDIR)/$(WHEEL)/home ../bin/python -m pytest -p no:ddtrace -p no:cacheprovider \
	  $(PAGE_TESTS)

# The terminal sessions in README and the pages, drawn from real runs.
pictures: $(VENV)/.test
	PYTHONPATH=. $(VENV)/bin/python docs/images/record.py

# Every example's demo, then every example's tests; `make example-NAME` is one demo.
DEMOS := $(patsubst examples/%/,%,$(dir $(wildcard examples/*/*_demo.py)))
examples: demo $(addprefix example-,$(DEMOS))
	$(VENV)/bin/python -m pytest examples tests/project/test_examples.py

example-%: $(VENV)/.test
	$(VENV)/bin/python examples/$*/$*_demo.py

example-node_to_python: examples/node_to_python/node_modules
$(NODE_MODULES): %/node_modules: %/package.json
	npm install --prefix $(@D) --no-save --no-package-lock --no-audit --no-fund --fetch-retries=1
	touch $@

# The documentation site, in build/site: no warning, no dead link, and every page in a real browser, if there is one.
# `make test` has the checks that need neither: links, navigation, environment variables, messages.
docs: $(DOCS)/.ready
	$(DOCS)/bin/python -m website.assemble
	$(DOCS)/bin/zensical build --clean --strict
	$(DOCS)/bin/python -m pytest -c website/pytest.toml website/tests

# The AWS SDK and OpenTelemetry for JavaScript, for the tests that use them; without npm or a registry, they are skipped.
javascript:
	-if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(NODE_MODULES); fi

# examples/deployed, built by the tools that deploy it: pip from the wheel, sam, cdk, osls, hadolint, terraform. Four minutes.
deployed: $(VENV)/.test $(DEPLOY)/.ready
	LAMBDACHAIN_DEPLOY_TOOLS=$(CURDIR)/$(DEPLOY) $(VENV)/bin/python -m pytest tests/deployment --timeout=600

# AWS's Node.js runtime client, for the tests that compare ours with it. Building takes two minutes and needs npm, a C++
# compiler, cmake, autoconf, automake and libtool. Without it, those tests are skipped.
node-ric:
	npm install --prefix .node-ric --no-save --no-audit --no-fund aws-lambda-ric@3.3.0
	test -f .node-ric/node_modules/aws-lambda-ric/dist/rapid-client.node

# The long form of the fault laboratory: random scripts of faults, different ones each time.
SCRIPTS ?= 10000
soak: $(VENV)/.test
	LAMBDACHAIN_SOAK=$(SCRIPTS) $(VENV)/bin/python -m pytest tests/lab/test_invariants.py tests/lab/test_call_state.py \
	  --timeout=0 --show-capture=no --hypothesis-show-statistics

# The local endpoint under many calls of mixed outcomes, 16 at a time: does it leak memory, descriptors or processes?
CALLS ?= 50000
soak-local: $(VENV)/.test
	LAMBDACHAIN_SOAK_CALLS=$(CALLS) $(VENV)/bin/python -m pytest tests/local/test_local_soak.py

# `lambdachain map`, killed at random moments, or resumed from the disk of a stopped machine: each result once, none missing.
LINES ?= 100000
soak-map: $(VENV)/.test
	LAMBDACHAIN_SOAK_LINES=$(LINES) $(VENV)/bin/python -m pytest tests/cli/test_map_killed.py tests/cli/test_map_crashes.py --timeout=0

reliability: $(VENV)/.test
	PYTHONPATH=. $(VENV)/bin/python benchmarks/reliability.py --write README.md

retry-load: $(VENV)/.test
	PYTHONPATH=. $(VENV)/bin/python benchmarks/retry_load.py

# The measured programs have an environment of their own, as in a deployment: pydantic searches all of it for plugins.
bench: $(VENV)/.plots $(BENCH)/.ready bench-fan-out
	PYTHONPATH=benchmarks $(VENV)/bin/python -m cost --python $(BENCH)/bin/python --write docs/performance.md

# Only the part about fan-out: a quarter of an hour.
bench-fan-out: $(VENV)/.plots $(BENCH)/.ready
	PYTHONPATH=. $(VENV)/bin/python benchmarks/fan_out.py --python $(BENCH)/bin/python \
	  --write docs/performance-fan-out.md --goals docs/performance.md

bench-local: $(BENCH_LOCAL)/.ready
	PYTHONPATH=benchmarks $(BENCH_LOCAL)/bin/python -m local_endpoint --emulator $(BENCH_LOCAL)/emulator \
	  --write docs/performance-local.md

# The first call of a function whose init phase has warmed it up, at a small function's share of a processor.
bench-first-call: $(VENV)/.test $(BENCH)/.ready
	PYTHONPATH=benchmarks:. $(VENV)/bin/python benchmarks/first_call.py --python $(BENCH)/bin/python --write docs/how-to/start-fast.md

# What each part of a cold start costs in instructions: ours, pydantic's, TLS.
bench-cold-parts: $(VENV)/.test $(BENCH)/.ready
	PYTHONPATH=benchmarks:. $(VENV)/bin/python benchmarks/cold_parts.py --python $(BENCH)/bin/python

# What a warm call's instructions are made of.
bench-warm-parts: $(VENV)/.test $(BENCH)/.ready
	PYTHONPATH=benchmarks:. $(VENV)/bin/python benchmarks/warm_parts.py --python $(BENCH)/bin/python

bench-cli-start: $(VENV)/.test
	$(VENV)/bin/python benchmarks/cli_start.py --count

$(VENV)/.plots: $(VENV)/.test
	$(VENV)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt --group plots
	touch $@

$(BENCH)/.ready: pyproject.toml
	test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install $(PIP_FLAGS) "pip>=25.1"
	$(BENCH)/bin/python -m pip install $(PIP_FLAGS) -e . --group bench
	touch $@

# AWS's emulator is a binary in the wheel of aws-sam-cli; nothing else of the wheel is needed.
$(BENCH_LOCAL)/.ready: pyproject.toml constraints.txt
	test -x $(BENCH_LOCAL)/bin/python || $(PYTHON) -m venv $(BENCH_LOCAL)
	$(BENCH_LOCAL)/bin/python -m pip install $(PIP_FLAGS) "pip>=25.1"
	$(BENCH_LOCAL)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt -e ".[local]"
	$(BENCH_LOCAL)/bin/python -m pip install $(PIP_FLAGS) --no-deps --upgrade --target $(BENCH_LOCAL)/emulator aws-sam-cli==1.170.0
	touch $@

$(DEPLOY)/.ready: pyproject.toml
	test -x $(DEPLOY)/bin/python || $(PYTHON) -m venv $(DEPLOY)
	$(DEPLOY)/bin/python -m pip install $(PIP_FLAGS) "pip>=25.1"
	$(DEPLOY)/bin/python -m pip install $(PIP_FLAGS) --group deploy-tools
	npm install --prefix $(DEPLOY) --no-save --no-package-lock --no-audit --no-fund aws-cdk@2 osls@4
	touch $@

$(VENV)/.demo: pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install $(PIP_FLAGS) "pip>=25.1"
	$(VENV)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt -e ".[local]"
	touch $@

$(VENV)/.test: $(VENV)/.demo
	$(VENV)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt --group dev
	touch $@

$(OLDEST)/.test: pyproject.toml constraints-oldest.txt
	test -x $(OLDEST)/bin/python || $(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install $(PIP_FLAGS) "pip>=25.1"
	$(OLDEST)/bin/python -m pip install $(PIP_FLAGS) -c constraints-oldest.txt -e ".[local]" --group test
	touch $@

$(INTEGRATIONS)/.test: pyproject.toml constraints.txt
	test -x $(INTEGRATIONS)/bin/python || $(PYTHON) -m venv $(INTEGRATIONS)
	$(INTEGRATIONS)/bin/python -m pip install $(PIP_FLAGS) "pip>=25.1"
	$(INTEGRATIONS)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt -e ".[local]" --group test --group check --group integrations
	touch $@

$(INTEGRATIONS_OLDEST)/.test: pyproject.toml constraints-integrations-oldest.txt
	test -x $(INTEGRATIONS_OLDEST)/bin/python || $(PYTHON) -m venv $(INTEGRATIONS_OLDEST)
	$(INTEGRATIONS_OLDEST)/bin/python -m pip install $(PIP_FLAGS) "pip>=25.1"
	$(INTEGRATIONS_OLDEST)/bin/python -m pip install $(PIP_FLAGS) -c constraints-integrations-oldest.txt -e ".[local]" --group test --group integrations \
	  "mypy>=2.2" "pyright[nodejs]>=1.1.400"
	touch $@

$(DOCS)/.ready: pyproject.toml constraints.txt
	test -x $(DOCS)/bin/python || $(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install $(PIP_FLAGS) "pip>=25.1"
	$(DOCS)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt --group docs
	touch $@

$(AIO)/.test: pyproject.toml
	test -x $(AIO)/bin/python || $(PYTHON) -m venv $(AIO)
	$(AIO)/bin/python -m pip install $(PIP_FLAGS) "pip>=25.1"
	$(AIO)/bin/python -m pip install $(PIP_FLAGS) -e ".[local,aio]" --group test
	touch $@

lock: $(VENV)/.test
	$(VENV)/bin/python -m pip install $(PIP_FLAGS) uv
	$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 pyproject.toml --extra local --group dev --group integrations --group docs \
	  --no-header --no-annotate --no-emit-index-url --upgrade -o constraints.txt
	sed -i '1i # The versions that `make test` and `make demo` install; `make lock` regenerates this file.' constraints.txt

clean:
	rm -rf $(VENV) $(VENV)-3.* $(WHEEL) $(OLDEST) $(BENCH) $(BENCH_LOCAL) $(AIO) $(DEPLOY) $(INTEGRATIONS) $(INTEGRATIONS_OLDEST) $(DOCS) build .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*
