"""The mutations of the doors: keys and their scopes, tenants, limits, and where nobody is asked for a key."""

from .mutation import Mutation, line

API = "tests/integration/api"
ACCESS = f"{API}/test_access.py"
LIMITED = f"{API}/test_limits.py"
KEYSTORE = "tests/integration/test_keystore.py"
PARTS = "tests/unit/test_access_parts.py"

HELD = "    if not principal.may(needed):\n        raise ScopeMissing(needed)\n"
COUNTED = "    await _count(request, principal, needed)\n"

DOORS: tuple[Mutation, ...] = (
    line(
        "doors: hashes are compared up to the first difference",
        "access/keystore.py",
        "same = hmac.compare_digest(token.sha256, record.sha256 if record else NOBODY)",
        "same = token.sha256 == (record.sha256 if record else NOBODY)",
        f"{PARTS}::test_hashes_are_compared_in_constant_time",
    ),
    line(
        "doors: an unknown key is refused without a comparison",
        "access/keystore.py",
        "        # Known or not, the same comparison",
        "        if record is None:\n            raise KeyRefused\n        # Known or not, the same comparison",
        f"{KEYSTORE}::test_every_key_is_compared_in_constant_time",
    ),
    line(
        "doors: the id of a key is enough",
        "access/keystore.py",
        "if record is None or not same or not",
        "if record is None or not",
        f"{KEYSTORE}::test_the_secret_of_another_key_opens_nothing",
    ),
    line(
        "doors: a key that is remembered does not expire",
        "access/keystore.py",
        " or not record.valid(time.time() * 1000):",
        ":",
        f"{KEYSTORE}::test_an_expired_key_is_none_though_it_is_remembered",
    ),
    line(
        "doors: a revoked key is good for as long as it is used",
        "access/keystore.py",
        "and self._monotonic_s() < known.until_s:",
        "and known.until_s:",
        f"{KEYSTORE}::test_a_revocation_is_felt_when_the_memory_of_the_key_ends",
    ),
    line(
        "doors: any number of keys is remembered",
        "access/keystore.py",
        "if len(self._known) > CACHE_MAX:",
        "if False:",
        f"{KEYSTORE}::test_only_so_many_keys_are_remembered",
    ),
    line(
        "doors: a key opens whatever is asked for",
        "access/principal.py",
        "return scope in self.scopes or Scope.ADMIN in self.scopes",
        "return bool(self.scopes)",
        f"{ACCESS}::test_a_key_opens_what_its_scopes_say",
    ),
    line(
        "doors: a key for figures reads tasks",
        "access/principal.py",
        "return scope in self.scopes or",
        "return scope in self.scopes or (scope == Scope.READ and Scope.METRICS in self.scopes) or",
        f"{ACCESS}::test_a_key_opens_what_its_scopes_say",
    ),
    line(
        "doors: a key that reads tasks reads the figures of all",
        "api/metrics.py",
        "async def metrics(_: Scraper,",
        "async def metrics(_: Reader,",
        f"{ACCESS}::test_what_belongs_to_the_whole_installation_is_for_no_key_of_a_tenant",
    ),
    line(
        "doors: who submits pauses queues",
        "api/fleet.py",
        "async def pause_queue(_: Admin,",
        "async def pause_queue(_: Submitter,",
        f"{ACCESS}::test_what_belongs_to_the_whole_installation_is_for_no_key_of_a_tenant",
        also=(("from app.api.deps import Admin,", "from app.api.deps import Submitter, Admin,"),),
    ),
    line(
        "doors: who reads deletes",
        "api/steering.py",
        "_: Submitter, task_id: TaskId, services: Services) -> None:",
        "_: Reader, task_id: TaskId, services: Services) -> None:",
        f"{ACCESS}::test_every_route_declares_its_scope_or_is_known_to_be_open",
        also=(("import Services, Submitter,", "import Reader, Services, Submitter,"),),
    ),
    line(
        "doors: a task is everybody's",
        "access/tenancy.py",
        "[owner == tenant.encode() for owner in found]",
        "[owner is not None for owner in found]",
        f"{ACCESS}::test_a_foreign_task_is_as_an_unknown_one",
    ),
    line(
        "doors: a key in a URL is as good as another",
        "api/auth.py",
        "    if request.scope[KEY_IN_URL]:\n        raise KeyInUrl\n",
        "",
        f"{ACCESS}::test_a_key_in_a_url_is_refused_and_never_used",
    ),
    line(
        "doors: what came by a proxy is local",
        "access/exposure.py",
        ' or _forwarded(name for name, _ in scope["headers"]):',
        ":",
        f"{ACCESS}::test_at_a_loopback_address_no_key_is_needed_but_one_that_is_sent_counts",
    ),
    line(
        "doors: any name leads here",
        "access/exposure.py",
        "or not all(_is_ours(host) for host in hosts):",
        "or not hosts:",
        f"{ACCESS}::test_the_open_mode_answers_no_foreign_page",
    ),
    line(
        "doors: a page of another site is answered",
        "access/exposure.py",
        "_is_same(origin, hosts) or origin in allowed_origins",
        "origin",
        f"{ACCESS}::test_the_open_mode_answers_no_foreign_page",
    ),
    line(
        "doors: a page of another site embeds an answer",
        "access/exposure.py",
        'if headers.get("sec-fetch-site") == "cross-site"',
        "if False",
        f"{PARTS}::test_pages_from_elsewhere_are_refused",
    ),
    line(
        "doors: reads and submissions have one limit",
        "access/limiter.py",
        "if scope is Scope.SUBMIT:",
        "if False:",
        f"{LIMITED}::test_submissions_reads_and_keys_are_limited_apart",
    ),
    line(
        "doors: a missing scope costs a request",
        "api/auth.py",
        HELD,
        "",
        f"{LIMITED}::test_a_refused_request_costs_nothing_else",
        also=((COUNTED, COUNTED + HELD),),
    ),
    line(
        "doors: a limiter out of order keeps everybody out",
        "api/auth.py",
        "    except Unavailable:\n        request.app.state.metrics.limiter_errors.inc()\n        return\n",
        "    except ZeroDivisionError:\n        return\n",
        f"{LIMITED}::test_a_limit_that_cannot_be_counted_lets_requests_pass",
    ),
    line(
        "doors: a key holds any number of streams",
        "access/streams.py",
        "if limit and self._open[key_id] + size > limit:",
        "if False:",
        f"{LIMITED}::test_a_key_holds_so_many_streams_and_no_more",
    ),
)
