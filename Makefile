# Pagoda. `make run` and `make test` install what is missing; `make help` lists the rest.
ifeq ($(origin CC),default)# make's own cc; what the environment or the command line says stays
CC      := gcc
endif
CFLAGS  ?= -O2 -g -flto=auto -ffat-lto-objects
LISTEN  ?= 127.0.0.1:8080
STORE   ?= var/pagoda.db
PREFIX  ?= /usr/local
DESTDIR ?=
TRUTH   ?= $(or $(wildcard ../shared/truth ../shared/truth-2/kernel-6.1),tests/truth/sample)
WERROR  ?= $(CI)# warnings are errors when it is not empty
JOBS    ?= $(shell nproc)
BUILD   := build

VERSION := $(file <VERSION)
LIBS    := libmicrohttpd jansson sqlite3 zlib libzstd libsodium
WARN    := -Wall -Wextra -Wconversion -Wshadow -Wformat=2
LIB_CFLAGS := $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
LINK    := $(shell pkg-config --libs $(LIBS) 2>/dev/null) -lpthread
OURS     = -std=c17 -D_GNU_SOURCE= $(WARN) $(if $(WERROR),-Werror) -Iinclude -I. -MMD -MP $(LIB_CFLAGS)

# Kinds of objects, each with its compiler and flags. CHECKED is the one that tests run in.
FLAVOURS := plain san tsan cov gcc clang fuzz
CHECKED ?= san
FLAGS_plain = $(CFLAGS)
# PAGODA_CHECKED: each operation's host memory is counted; faults can be planted (PAGODA_PLANT).
FLAGS_san   = -O1 -g -DPAGODA_CHECKED -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FLAGS_tsan  = -O1 -g -DPAGODA_CHECKED -fsanitize=thread -fno-omit-frame-pointer
FLAGS_cov   = -O0 -g -DPAGODA_CHECKED --coverage -fprofile-update=atomic
FLAGS_gcc   = -O2 -Werror
FLAGS_clang = -O1 -Werror
CC_clang    = $(filter ccache,$(CC)) clang
FLAGS_fuzz  = -O2 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CC_fuzz     = $(CC_clang)
$(BUILD)/fuzz/alloc/%.o: FLAGS_fuzz += -fno-sanitize-coverage=trace-cmp# half of the time, and nothing to compare in it
TEST_FLAGS  = $(FLAGS_$(CHECKED))

ENGINE  := $(wildcard alloc/*/*.c)
SERVER  := $(wildcard server/*/*.c server/store/sqlite/*.c)
TEST_SOURCES := $(wildcard tests/unit/*/test_*.c tests/server/test_*.c tests/store/test_*.c)
TESTS   := $(notdir $(TEST_SOURCES:.c=))
SUPPORT := tests/lib/fixture.c
TEST_SUPPORT := $(SUPPORT) tests/lib/formats.c tests/lib/heap_script.c
# The replay of malloc recordings has a process of its own (tests/truth/process_stub.c), so it is linked apart from the engine's.
HEAP_TRUTH := tests/truth/truth_malloc.c tests/truth/process_stub.c $(wildcard alloc/malloc/*.c)
TRUTHS  := $(filter-out $(HEAP_TRUTH),$(wildcard tests/truth/truth*.c))
# Programs that bench.mjs runs.
BENCH_CLIENTS := bench_http bench_import bench_sqlite
WEB_SOURCES := $(shell find web -type f -not -path 'web/node_modules/*')
# All C, for the compilers' warnings, the layout and the linters.
C_SOURCES := $(shell find alloc server tests tools -name '*.c')
C_FILES   := $(C_SOURCES) $(shell find alloc server include tests tools -name '*.h')

# One short line for each file; V=1 shows the commands, -s nothing.
Q   := $(if $(V),,@)
SAY := $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),@:,@printf '  %-6s %s\n')

objects = $(patsubst %.c,$(BUILD)/$(1)/%.o,$(2))
define program
$(SAY) link $@
$(Q)$(CC) $(FLAGS_$(1)) $(filter %.o,$^) $(2) $(LINK) -o $@
endef

all: $(BUILD)/pagodad $(BUILD)/web/.built ## build the daemon and the pages (the default)

# These targets say what is missing in one line; the others install it.
ifneq ($(filter-out deps run test test-long lint coverage fuzz clean help,$(or $(MAKECMDGOALS),all)),)
MISSING := $(shell sh tools/install.sh --missing)
$(if $(MISSING),$(error missing: $(MISSING). `make deps` installs them))
endif

define flavour_rules
$(BUILD)/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(SAY) $(1) $$<
	$$(Q)$$(or $$(CC_$(1)),$$(CC)) $$(OURS) $$(FLAGS_$(1)) -c $$< -o $$@
# Texts that are built in with .incbin, which -MMD does not see; the version, which is no header.
$(BUILD)/$(1)/server/store/sqlite/store.o: $(wildcard data/*.sql)
$(BUILD)/$(1)/server/api/api_service.o: data/openapi.json
$(BUILD)/$(1)/server/cmd/main.o: OURS += -DPAGODA_VERSION='"$(VERSION)"'
$(BUILD)/$(1)/server/cmd/main.o: VERSION
endef
$(foreach flavour,$(FLAVOURS),$(eval $(call flavour_rules,$(flavour))))

$(BUILD)/pagodad: $(call objects,plain,$(ENGINE) $(SERVER))
	$(call program,plain)
define checked_daemon
$(BUILD)/pagodad-$(1): $(call objects,$(1),$(ENGINE) $(SERVER))
	$$(call program,$(1))
endef
$(foreach flavour,san tsan cov,$(eval $(call checked_daemon,$(flavour))))

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund --silent
	@touch $@
$(BUILD)/web/.built: $(WEB_SOURCES) web/node_modules/.package-lock.json
	cd web && node build.mjs $(abspath $(BUILD)/web)
	@touch $@

deps: ## install what is missing (Debian packages as root)
	@sh tools/install.sh
run: deps ## build and serve http://127.0.0.1:8080 (LISTEN=, STORE=)
	@$(MAKE) --no-print-directory all
	@mkdir -p $(dir $(STORE))
	$(BUILD)/pagodad serve --listen $(LISTEN) --store $(STORE) --web $(BUILD)/web

# --- tests: stages, side by side, with a table of their times at the end ---
STAGE = sh tools/stage.sh
# $(call side_by_side,TARGETS): all of them, even when one fails. The longest stands first.
side_by_side = rm -rf $(BUILD)/stages; mkdir -p $(BUILD)/stages; date +%s >$(BUILD)/stages/began; \
  STAGES=$(abspath $(BUILD))/stages $(MAKE) --no-print-directory -k -j$(JOBS) $(1); made=$$?; \
  STAGES=$(BUILD)/stages $(STAGE) --table && exit $$made

test: ## install what is missing, build, run every test
	@sh tools/install.sh build test
	@$(MAKE) --no-print-directory -j$(JOBS) test-builds
	@$(call side_by_side,test-browser test-api test-tsan truth test-c test-web test-fuzz check)
# All that the stages need. Built by them, it would be in the way of the longest, which are to begin at once.
test-builds: all test-programs $(FUZZ_TARGETS:%=$(BUILD)/$(CHECKED)/replay_%) $(BUILD)/truth $(BUILD)/pagodad-$(CHECKED) $(BUILD)/pagodad-tsan $(BUILD)/tsan/test_lab_jobs \
  $(BUILD)/slow_disk.so
test-long: ## what takes minutes: kill -9, SIGTERM, proxies, failing disks, any call with any parameter, a long history, every picture, fuzzers
	@sh tools/install.sh build test long
	@$(call side_by_side,test-api-tsan test-stop test-abuse test-crash-import test-disk test-sizes test-crash test-visual test-history test-labs test-migration test-proxies soak)
	@$(MAKE) --no-print-directory fuzz

# C tests: each file one program, under ASan and UBSan; those of the store and of labs stand on the server too.
STORE_SUPPORT := tests/store/store_fixture.c tests/store/faulty_disk.c tests/lib/failing_host.c $(filter-out server/cmd/main.c,$(SERVER))
# Functions of the host that these tests let fail: tests/lib/failing_host.h.
FAILING := $(foreach name,malloc calloc realloc getrandom,-Wl,--wrap=$(name))
# $(call test_program,KIND,SOURCE)
define test_program
$(BUILD)/$(1)/$(notdir $(2:.c=)): $(BUILD)/$(1)/$(2:.c=.o) $(call objects,$(1),$(ENGINE) $(TEST_SUPPORT) $(if $(filter tests/server/% tests/store/%,$(2)),$(STORE_SUPPORT)))
	$$(call program,$(1),$(if $(filter tests/server/% tests/store/%,$(2)),$$(FAILING)) -lcmocka)
endef
$(foreach test,$(TEST_SOURCES),$(eval $(call test_program,$(CHECKED),$(test))))
ifneq ($(CHECKED),tsan)
$(eval $(call test_program,tsan,tests/store/test_lab_jobs.c))
endif
test-programs: $(addprefix $(BUILD)/$(CHECKED)/,$(TESTS))
test-c: $(addprefix run-,$(TESTS)) ## unit and property tests; run-NAME is one of them (SEED= repeats a run)
$(addprefix run-,$(TESTS)): run-%: $(BUILD)/$(CHECKED)/%
	TRUTH=$(firstword $(TRUTH)) $(STAGE) $* $<

$(BUILD)/%/heap_truth.o: $(addprefix $(BUILD)/%/,$(HEAP_TRUTH:.c=.o))
	$(LD) -r $^ -o $@
	objcopy --keep-global-symbol=truth_ops --keep-global-symbol=truth_rep --keep-global-symbol=truth_tunables $@
$(BUILD)/truth: $(call objects,$(CHECKED),$(ENGINE) $(SUPPORT) $(TRUTHS)) $(BUILD)/$(CHECKED)/heap_truth.o
	$(call program,$(CHECKED))
truth: $(BUILD)/truth ## compare the engine with recordings of the real ones (TRUTH=DIR...)
	$(STAGE) truth $(BUILD)/truth $(TRUTH)
	$(STAGE) truth-boot python3 tests/truth/boot_model.py --recordings $(TRUTH)
	$(STAGE) truth-sizes python3 tests/truth/boot_model.py --sweep 50 --engine $(BUILD)/truth
fidelity: $(BUILD)/truth ## write docs/FIDELITY.md: what is followed, and how that is known
	python3 tests/truth/fidelity.py --engine $< $(TRUTH) >$(BUILD)/FIDELITY.md
	cp $(BUILD)/FIDELITY.md docs/FIDELITY.md
test-sizes: $(BUILD)/truth ## machines of random sizes, against a second computation of their boot (SIZES=, SEED=)
	$(STAGE) sizes python3 tests/truth/boot_model.py --sweep $(or $(SIZES),1000) --seed $(or $(SEED),1) --engine $<

# --- fuzzing: each target is a program under libFuzzer, and one that runs known inputs ---
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(filter-out tests/fuzz/fuzz_program.c,$(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_SUPPORT := tests/lib/fixture.c tests/fuzz/fuzz_program.c $(wildcard tests/fuzz/store_*.c) $(filter-out server/cmd/main.c,$(SERVER))
FUZZ_SECONDS ?= 30
FUZZ_JOBS    ?= $(JOBS)
FUZZ_DIR     ?= $(BUILD)/fuzzing# what runs find: they go on from there
FUZZ_LENGTH_engine := 600
FUZZ_LENGTH_image  := 300
FUZZ_LENGTH_state  := 20000
FUZZ_LENGTH_store  := 100
define fuzz_programs
$(BUILD)/fuzz/fuzz_$(1): $(call objects,fuzz,$(ENGINE) $(FUZZ_SUPPORT) tests/fuzz/fuzz_$(1).c)
	$$(SAY) link $$@
	$$(Q)clang -fsanitize=fuzzer,address,undefined $$(filter %.o,$$^) $$(LINK) -o $$@
$(BUILD)/$(CHECKED)/replay_$(1): $(call objects,$(CHECKED),$(ENGINE) $(FUZZ_SUPPORT) tests/fuzz/fuzz_$(1).c tests/fuzz/replay.c)
	$$(call program,$(CHECKED))
# A crash is left in FUZZ_DIR; its input belongs in tests/fuzz/crashers/$(1).
fuzz-$(1): $(BUILD)/fuzz/fuzz_$(1)
	@mkdir -p $(FUZZ_DIR)/$(1) tests/fuzz/corpus/$(1)
	UBSAN_OPTIONS=print_stacktrace=1 $$(STAGE) fuzz-$(1) $$< -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=3000 \
	  -max_len=$(or $(FUZZ_LENGTH_$(1)),4096) -entropic=0 -print_final_stats=1 -artifact_prefix=$(FUZZ_DIR)/$(1)- $(FUZZ_DIR)/$(1) tests/fuzz/corpus/$(1)
endef
$(foreach target,$(FUZZ_TARGETS),$(eval $(call fuzz_programs,$(target))))
fuzz-programs: $(FUZZ_TARGETS:%=$(BUILD)/fuzz/fuzz_%)
fuzz: ## fuzz every target for FUZZ_SECONDS (30), FUZZ_JOBS side by side; fuzz-NAME is one of them
	@sh tools/install.sh build fuzz
	@$(MAKE) --no-print-directory -j$(JOBS) fuzz-programs
	@$(MAKE) --no-print-directory -k -j$(FUZZ_JOBS) $(addprefix fuzz-,$(FUZZ_TARGETS))
test-fuzz: $(FUZZ_TARGETS:%=$(BUILD)/$(CHECKED)/replay_%) ## inputs that once crashed, and the fuzzers' corpora
	$(STAGE) fuzz-inputs sh -c 'for target in $(FUZZ_TARGETS); do \
	  find tests/fuzz/crashers/$$target tests/fuzz/corpus/$$target -type f 2>/dev/null | xargs -r $(BUILD)/$(CHECKED)/replay_$$target || exit 1; done'

PAGODAD_CHECKED := $(BUILD)/pagodad-$(CHECKED)
test-api: $(PAGODAD_CHECKED) $(BUILD)/pagodad $(BUILD)/slow_disk.so ## the HTTP API, against the real daemon
	PAGODAD=$(abspath $(PAGODAD_CHECKED)) TRUTH=$(firstword $(TRUTH)) $(STAGE) api node --test tests/api/*.test.mjs
# A disk that is slow or full on command, to preload into a daemon.
$(BUILD)/slow_disk.so: tests/lib/slow_disk.c
	@mkdir -p $(@D)
	$(CC) $(OURS) -O1 -fPIC -shared $< -o $@
test-tsan: $(BUILD)/pagodad-tsan $(BUILD)/tsan/test_lab_jobs ## the daemon's threads, under TSan
	TSAN_OPTIONS=halt_on_error=1 $(STAGE) tsan-jobs $(BUILD)/tsan/test_lab_jobs
	PAGODAD=$(abspath $<) TSAN_OPTIONS=halt_on_error=1 \
	  $(STAGE) tsan node --test tests/api/labs.test.mjs tests/api/durability.test.mjs tests/api/stop.test.mjs tests/api/fault.test.mjs
test-api-tsan: $(BUILD)/pagodad-tsan $(BUILD)/pagodad $(BUILD)/slow_disk.so ## all of the HTTP API, under TSan
	PAGODAD=$(abspath $<) TSAN_OPTIONS=halt_on_error=1 $(STAGE) api-tsan node --test --test-concurrency=2 tests/api/*.test.mjs
test-web: web/node_modules/.package-lock.json ## the pages' view-models, types
	$(STAGE) web-types sh -c 'cd web && npx tsc --noEmit -p .'
	$(STAGE) web node --test tests/web/*.test.mjs
test-browser: all ## the pages, in headless Chromium
	PAGODAD=$(abspath $(BUILD))/pagodad WEB=$(abspath $(BUILD))/web $(STAGE) browser node --test --test-concurrency=2 tests/browser/*.test.mjs
test-visual: all ## every page in every state, two themes, four sizes: pictures in build/visual, checked for overlap, cuts, contrast (STATES=)
	PAGODAD=$(abspath $(BUILD))/pagodad WEB=$(abspath $(BUILD))/web TRUTH=$(firstword $(TRUTH)) STATES=$(STATES) \
	  $(STAGE) visual node --test tests/browser/visual/*.test.mjs

test-crash: $(BUILD)/pagodad ## kill -9 200 times under load (KILLS=)
	PAGODAD=$(abspath $<) KILLS=$(or $(KILLS),200) $(STAGE) crash node --test tests/api/crash.test.mjs
test-stop: $(BUILD)/pagodad ## SIGTERM 50 times under load (ROUNDS=)
	PAGODAD=$(abspath $<) ROUNDS=$(or $(ROUNDS),50) $(STAGE) stop node --test tests/api/stop_load.test.mjs
test-proxies: $(BUILD)/pagodad ## requests in doubt, through nginx and HAProxy
	PAGODAD=$(abspath $<) $(STAGE) proxies node --test tests/api/long/proxies.test.mjs
test-migration: $(BUILD)/pagodad ## a store of schema 4 with 10 million operations (OPS=), kill -9 in the middle
	PAGODAD=$(abspath $<) OPS=$(or $(OPS),10000000) $(STAGE) migration node --test tests/api/long/migration.test.mjs
soak: $(BUILD)/pagodad ## use of all kinds for SOAK_SECONDS (60): memory, open files, mappings do not grow
	PAGODAD=$(abspath $<) SOAK_SECONDS=$(or $(SOAK_SECONDS),60) $(STAGE) soak node --test tests/api/long/soak.test.mjs
test-crash-import: $(BUILD)/pagodad ## kill -9 60 times in imports (KILLS=)
	PAGODAD=$(abspath $<) KILLS=$(or $(KILLS),60) \
	  $(STAGE) crash-import node --test --test-name-pattern=kill tests/api/import_atomic.test.mjs
DISK_TESTS := $(addprefix $(BUILD)/$(CHECKED)/,test_store_faults test_store_disk)
test-disk: $(DISK_TESTS) ## a disk that fails at every write, sync and read, with other work for each of SEEDS
	$(STAGE) disk sh -c 'for seed in $(or $(SEEDS),$(shell seq 5)); do for test in $(DISK_TESTS); do SEED=$$seed $$test || exit 1; done; done'
test-disk-every: $(BUILD)/$(CHECKED)/test_store_disk ## the same at every n-th step, none left out (SEED=): minutes to an hour, by the work that the seed makes
	EVERY=1 SEED=$(or $(SEED),1) $(STAGE) disk-every $<
test-abuse: $(BUILD)/$(CHECKED)/test_abuse ## any call with any parameter (RUNS=, SEED=)
	RUNS=$(or $(RUNS),20) $(STAGE) abuse $<
test-history: $(BUILD)/pagodad ## time travel in a lab of 1 million operations
	$(STAGE) history node tests/bench/bench_history.mjs $< 1000000

test-labs: $(BUILD)/pagodad ## thousands of labs awake at once (LABS=)
	PAGODAD=$(abspath $<) LABS=$(or $(LABS),3000) $(STAGE) labs node --test tests/api/many_labs.test.mjs

coverage: ## lines that the C and API tests reach (gcovr): a summary, and build/coverage/index.html
	@sh tools/install.sh build test coverage
	@find $(BUILD)/cov -name '*.gcda' -delete 2>/dev/null || true
	@$(MAKE) --no-print-directory -j$(JOBS) CHECKED=cov test-programs $(BUILD)/pagodad-cov $(BUILD)/pagodad
	@$(MAKE) --no-print-directory -j$(JOBS) CHECKED=cov test-c test-api
	@mkdir -p $(BUILD)/coverage
	gcovr --root . --object-directory $(BUILD)/cov --filter alloc/ --filter server/ --exclude-throw-branches \
	  --html-details $(BUILD)/coverage/index.html --txt $(BUILD)/coverage/coverage.txt --print-summary

# --- rules of the house ---
check: check-pure check-tower check-docs
check-pure: $(call objects,plain,$(ENGINE)) ## the engine imports mem* and str*, nothing else
	@nm -u $^ | awk '/ U /{print $$2}' | sort -u > $(BUILD)/imports
	@nm --defined-only $^ | awk 'NF==3{print $$3}' | sort -u > $(BUILD)/exports
	@bad=$$(comm -23 $(BUILD)/imports $(BUILD)/exports | grep -vE '^(mem|str)[a-z]+$$|^__stack_chk_fail$$|^_GLOBAL_OFFSET_TABLE_$$' || true); \
	 [ -z "$$bad" ] || { echo "alloc/ imports: $$bad"; exit 1; }
check-tower: $(call objects,plain,$(ENGINE) $(SERVER)) ## a floor includes and calls only floors below it
	@sh tools/check-tower.sh $(BUILD)/plain
check-docs: ## every file that the documents name is there; the version stands in one place
	@sh tools/check-docs.sh

lint: ## gcc and clang with -Werror, clang-tidy, cppcheck, shellcheck, layout of C and JavaScript
	@sh tools/install.sh build test lint
	@$(call side_by_side,compile-gcc compile-clang lint-tidy lint-cppcheck lint-layout lint-web lint-shell)
compile-gcc: $(call objects,gcc,$(C_SOURCES)) ## compile everything with gcc -Werror
compile-clang: $(call objects,clang,$(C_SOURCES)) ## compile everything with clang -Werror
# A file is looked at again when it, a header of it, or the list of checks has changed.
lint-tidy: $(C_SOURCES:%.c=$(BUILD)/tidy/%.ok)
$(BUILD)/tidy/%.ok: $(BUILD)/clang/%.o .clang-tidy tests/.clang-tidy
	@mkdir -p $(@D)
	@clang-tidy --quiet $*.c -- -std=c17 -D_GNU_SOURCE= -Iinclude -I. -DPAGODA_VERSION='""' 2>$@.err || \
	  { cat $@.err; exit 1; }
	@rm -f $@.err; touch $@
# Formats are the compilers' business: they know the types.
lint-cppcheck:
	$(STAGE) cppcheck cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	  --suppress=missingIncludeSystem --suppress=invalidPrintfArgType_uint --suppress=invalidPrintfArgType_sint \
	  --error-exitcode=1 -Iinclude -I. alloc server tests tools
lint-layout:
	@$(STAGE) clang-format clang-format --dry-run --Werror $(C_FILES)
lint-web: web/node_modules/.package-lock.json
	$(STAGE) prettier sh -c 'cd web && npm run --silent format:check'
	$(STAGE) tsc sh -c 'cd web && npx tsc --noEmit -p .'
lint-shell:
	$(STAGE) shellcheck shellcheck --severity=warning tools/*.sh .ci/run
format: web/node_modules/.package-lock.json ## lay out C and JavaScript
	clang-format -i $(C_FILES)
	cd web && npm run --silent format

bench: $(BUILD)/bench $(BUILD)/pagodad $(BUILD)/pagodad-memory $(addprefix $(BUILD)/,$(BENCH_CLIENTS)) ## speed, one line each to compare
	@TRUTH=$(firstword $(TRUTH)) $(BUILD)/bench
	@node tests/bench/bench.mjs $(BUILD) $(firstword $(TRUTH))
$(BUILD)/bench: $(call objects,plain,$(ENGINE) server/base/input.c server/base/utf16.c server/import/ops_line.c tests/lib/fixture.c $(filter-out $(BENCH_CLIENTS:%=tests/bench/%.c),$(wildcard tests/bench/bench*.c)))
	$(call program,plain)
bench-history: $(BUILD)/pagodad ## time travel in a lab of 10 million operations (OPS=)
	@node tests/bench/bench_history.mjs $(BUILD)/pagodad $(OPS)
bench-cost: $(BUILD)/host_cost ## what the steps of the cost model take on this host
	@$(BUILD)/host_cost
$(BUILD)/host_cost: $(call objects,plain,$(ENGINE) tools/host_cost.c)
	$(call program,plain)
# The daemon with a store that remembers nothing: the rival of the real one.
$(BUILD)/pagodad-memory: $(call objects,plain,$(ENGINE) $(filter-out server/store/%,$(SERVER)) tests/bench/store_memory.c)
	$(call program,plain)
$(addprefix $(BUILD)/,$(BENCH_CLIENTS)): $(BUILD)/bench_%: $(BUILD)/plain/tests/bench/bench_%.o $(BUILD)/plain/tests/lib/http_client.o
	$(call program,plain)

install: all ## install to $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/pagoda/web $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 755 $(BUILD)/pagodad $(DESTDIR)$(PREFIX)/bin/pagodad
	cp -R $(BUILD)/web/. $(DESTDIR)$(PREFIX)/share/pagoda/web/
	install -m 644 data/pagodad.8 $(DESTDIR)$(PREFIX)/share/man/man8/pagodad.8

clean: ## remove what was built (the store in var/ stays)
	rm -rf $(BUILD)
help: ## list targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n",$$1,$$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: all deps run fidelity test test-builds test-long test-programs test-c test-api test-tsan test-web test-browser test-visual \
  test-crash test-crash-import test-stop test-proxies soak test-migration test-api-tsan test-disk test-disk-every test-abuse test-labs test-fuzz fuzz \
  test-history test-sizes truth coverage check check-pure check-tower check-docs lint compile-gcc compile-clang lint-tidy lint-cppcheck \
  lint-layout lint-web lint-shell format bench bench-history bench-cost install clean help $(addprefix run-,$(TESTS))
.SECONDARY:
.DELETE_ON_ERROR:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
