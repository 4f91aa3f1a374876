# make demo: see it work. make test, make check: what CI runs. make setup: .venv, which the others make as well.
.DEFAULT_GOAL := help
.PHONY: help setup broker strangers stores demo test test-brokers simulate chaos chaos-order chaos-cluster bench bench-decode bench-lanes bench-pace bench-ledger fuzz check lint types imports house compat dockerfile format requirements image image-test

PYTHON := .venv/bin/python
# Two at a time, each with a broker of its own: most tests wait for something. ARGS="-n 0" does one after the other.
PYTEST := $(PYTHON) -m pytest -m "not image" -n 2 --dist loadfile
IMAGE ?= callmq:dev
BROKERS ?= installed trixie forky
ENGINE ?= $(shell command -v docker || command -v podman || command -v buildah)
export PYTHONPATH := deploy
export UV_CUSTOM_COMPILE_COMMAND := make requirements
COMPILE = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate $(UPGRADE)

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

setup: ## .venv with the pinned requirements
	@sh deploy/setup.sh

broker: setup ## RabbitMQ by apt-get where it is missing and the rights allow; a failure only in CI
	@$(PYTHON) -m callmq_demo.install || { [ "$$CI" != true ] && echo "Tests that need RabbitMQ will be skipped." >&2; }

strangers: setup ## what publishes in the tests without our client: amqp-tools by apt-get, amqplib by npm; a failure only in CI
	@$(PYTHON) -m callmq_demo.install amqp-publish || { [ "$$CI" != true ] && echo "Tests with amqp-publish will be skipped." >&2; }
	@$(PYTHON) -m callmq_demo.amqplib || { [ "$$CI" != true ] && echo "Tests with Node will be skipped." >&2; }

stores: setup ## PostgreSQL and Redis by apt-get where they are missing and the rights allow; a failure only in CI
	@$(PYTHON) -m callmq_demo.install postgres redis-server || { [ "$$CI" != true ] && echo "Tests with PostgreSQL or Redis will be skipped." >&2; }

demo: setup ## the demo; its options in ARGS="..."
	@$(PYTHON) -m callmq_demo $(ARGS)

test: broker strangers stores ## all tests but the image's; pytest's options in ARGS="..."
	@$(PYTEST) $(ARGS)

simulate: setup ## live simulated worlds, or tell one: ARGS="--seed 7 --story", --seeds 5000, --deep
	@PYTHONPATH=tests:deploy $(PYTHON) -m simulation $(ARGS)

chaos: setup ## a campaign of faults against real workers and a real broker; ARGS="--seed 7 --commands 5000 --faults 50 --only kill,sleep"
	@PYTHONPATH=deploy:tests $(PYTHON) -m chaos $(ARGS)

ORDER := --commands 50000 --calls 500 --workers 4 --faults 120 --healthy 2000 --only kill,kill_holder,kill_all,kill_after_the_record,terminate,terminate_holder,rolling_restart,sleep,close_channels,too_many,errors,slow,reset_before_acting
chaos-order: setup ## 50,000 commands on 500 calls while workers are killed and restarted and the endpoint asks for retries; ARGS="--shards 8 --seed 2"
	@PYTHONPATH=deploy:tests $(PYTHON) -m chaos $(ORDER) $(ARGS)

chaos-cluster: setup ## what befalls a cluster of three nodes, in network namespaces of their own; needs root; ARGS="--only kill_leader"
	@PYTHONPATH=deploy:tests $(PYTHON) -m chaos.cluster $(ARGS)

test-brokers: broker strangers stores ## the tests that need RabbitMQ, on each of BROKERS="installed trixie forky" (docs/brokers.md); a part in ARGS="..."
	@bad=; for each in $(BROKERS); do \
		server=$$CALLMQ_RABBITMQ_SERVER; echo "== RabbitMQ: $$each"; \
		[ $$each = installed ] || server=$$($(PYTHON) -m callmq_demo.suites $$each) || { bad="$$bad $$each"; continue; }; \
		CALLMQ_RABBITMQ_SERVER=$$server $(PYTEST) $(or $(ARGS),tests/integration tests/acceptance) || bad="$$bad $$each"; \
	done; [ -z "$$bad" ] || { echo "test-brokers: not well on$$bad" >&2; false; }

check: lint types imports house dockerfile ## lint, format, types, import law, house rules, Dockerfile
	@echo "check: all well"

lint: setup
	@.venv/bin/ruff check --quiet
	@.venv/bin/ruff format --quiet --check

types: setup
	@.venv/bin/mypy --no-error-summary

imports: setup
	@told=$$(.venv/bin/lint-imports --no-logo) || { echo "$$told"; false; }

house: setup
	@$(PYTHON) -m pytest -q tests/unit/test_house.py

compat: setup ## would the last released description's producers be refused? docs/reference/README.md says more
	@$(PYTHON) -m pytest -q tests/unit/contracts/test_compat.py

dockerfile: setup
	@.venv/bin/hadolint Dockerfile

bench: setup ## measure callmq beside what one would pick instead; ARGS="--write" for docs/performance.md, ARGS=--help
	@PYTHONPATH=deploy:tests $(PYTHON) -m benchmarks $(ARGS)

bench-decode: setup ## measure: CPU microseconds of decode, milliseconds of the heaviest bodies, bodies a second of callmq validate
	@PYTHONPATH=tests $(PYTHON) tests/benchmarks/decode.py

bench-lanes: setup ## measure live calls beside a backlog of dials; ARGS="--dials 100000 --seconds 30"
	@PYTHONPATH=deploy:tests $(PYTHON) tests/benchmarks/lanes.py $(ARGS)

bench-pace: setup ## measure the pace of several workers together; ARGS="--workers 3 --rate 10 --seconds 130"
	@PYTHONPATH=deploy:tests $(PYTHON) tests/benchmarks/pace.py $(ARGS)

bench-ledger: stores ## measure each ledger: CPU microseconds and pairs a second of reserve and complete; one of them in ARGS=postgres
	@PYTHONPATH=deploy:tests $(PYTHON) tests/benchmarks/ledger.py $(ARGS)

fuzz: setup ## feed the decoder with bytes that atheris invents, for SECONDS=60
	@$(PYTHON) -c "import atheris" 2>/dev/null || .venv/bin/uv pip install --quiet --python $(PYTHON) --require-hashes \
		--only-binary :all: -r requirements/fuzz.txt || { echo "atheris has no wheel for this machine: tests/unit/contracts/test_fuzz.py fuzzes with hypothesis." >&2; false; }
	@$(PYTHON) tests/benchmarks/fuzz_decode.py $(or $(SECONDS),60)

format: setup ## let ruff write
	@.venv/bin/ruff check --quiet --fix-only
	@.venv/bin/ruff format --quiet

requirements: setup ## pin again what pyproject.toml asks for; UPGRADE=--upgrade for the newest
	@$(COMPILE) --all-extras pyproject.toml requirements/dev.in -o requirements/dev.txt
	@$(COMPILE) --extra worker --extra redis --extra postgres -c requirements/dev.txt pyproject.toml -o requirements/worker.txt
	@$(COMPILE) -c requirements/dev.txt requirements/build.in -o requirements/build.txt
	@$(COMPILE) -c requirements/dev.txt requirements/fuzz.in -o requirements/fuzz.txt
	@$(COMPILE) -c requirements/dev.txt requirements/bench.in -o requirements/bench.txt
	@$(COMPILE) requirements/bench-faststream.in -o requirements/bench-faststream.txt

image: ## the container image, as IMAGE=callmq:dev
	@[ -n "$(ENGINE)" ] || { echo "make image needs docker, podman or buildah." >&2; exit 1; }
	@$(ENGINE) build --tag $(IMAGE) .

image-test: setup ## build the image for real on a base made here, without an engine or a registry of images; needs root
	@$(PYTHON) -m callmq_demo.install buildah debootstrap
	@CI=true $(PYTHON) -m pytest -m image $(ARGS)
