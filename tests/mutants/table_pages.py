"""The mutations of what is fetched from elsewhere, and of what a browser may do with the dashboard."""

from .mutation import Mutation, line

DASHBOARD = "tests/integration/api/test_dashboard.py"
PAGE = f"{DASHBOARD}::test_the_page_allows_its_own_scripts_and_nothing_else"
NETWORK = "tests/unit/web/test_network.py"
FETCHING = "tests/unit/web/test_fetching.py"
WEB = "tests/unit/web/test_urls.py"

OUTSIDE = (
    Mutation(
        "pages: a name is looked up again behind the check",
        "actors/tools/web/network.py",
        "self._network.connect_tcp(address, port,",
        "self._network.connect_tcp(host, port,",
        (f"{NETWORK}::test_the_checked_address_is_connected_to_and_the_name_is_not_asked_again",),
    ),
    Mutation(
        "pages: the first address is checked",
        "actors/tools/web/network.py",
        "        for address in addresses:\n            try:",
        "        for address in addresses[:1]:\n            try:",
        (f"{NETWORK}::test_one_bad_address_spoils_the_name",),
    ),
    Mutation(
        "pages: a name may be completed to one of the own network",
        "actors/tools/web/network.py",
        'host[-1].isdigit() else f"{host}."',
        "host[-1].isdigit() else host",
        (f"{NETWORK}::test_a_public_name_is_never_completed_to_one_of_the_own_network",),
    ),
    Mutation(
        "pages: where a redirect leads is not looked at",
        "actors/tools/web/pages.py",
        "self.options.policy.check(url.join(location))",
        "url.join(location)",
        (f"{FETCHING}::test_a_redirect_to_a_forbidden_url_is_refused",),
    ),
    Mutation(
        "pages: a secure page leads to an insecure one",
        "actors/tools/web/pages.py",
        'if url.scheme == "https" and there.scheme != "https":',
        "if False:",
        (f"{NETWORK}::test_a_secure_page_does_not_lead_to_an_insecure_one",),
    ),
    line(
        "pages: an address in another's clothes",
        "web/addresses.py",
        "isinstance(address, IPv6Address) and any(address in network for network in _EMBEDDING)",
        "False",
        f"{WEB}::test_an_operator_may_allow_hosts_and_networks",
    ),
    line(
        "pages: private addresses are public",
        "web/addresses.py",
        "        if address in block.network:\n",
        "        if not block.private and address in block.network:\n",
        f"{WEB}::test_no_way_to_write_a_private_host_gets_through",
    ),
    line(
        "pages: a name of the operator leads to the metadata of a cloud",
        "web/policy.py",
        "not (block.private and named)",
        "not named",
        f"{WEB}::test_an_allowed_name_opens_private_networks_only",
    ),
    line(
        "pages: a port of one host is everybody's",
        "web/policy.py",
        "if port not in self.ports and not lifted and not named:",
        "if port not in self._ports:",
        f"{WEB}::test_a_port_of_one_host_is_not_opened_for_others",
    ),
    line(
        "pages: names of private networks are public",
        "web/policy.py",
        "if len(labels) == 1 or labels[-1] in PRIVATE_NAMES:",
        "if False:",
        f"{WEB}::test_no_way_to_write_a_private_host_gets_through",
    ),
)


def unsaid(name: str, words: str) -> Mutation:
    """The policy of the dashboard's page without these words."""
    return line(name, "api/dashboard.py", words, "", PAGE)


BROWSER = (
    unsaid("pages: text becomes markup in the dashboard", "require-trusted-types-for 'script'; "),
    unsaid("pages: the dashboard is shown in frames", "frame-ancestors 'none'; "),
    unsaid("pages: the dashboard sends forms", "form-action 'none'; "),
    unsaid("pages: the dashboard's addresses are bent", "base-uri 'none'; "),
    line(
        "pages: the dashboard runs whatever stands in it",
        "api/dashboard.py",
        "script-src 'self' 'sha256-{imports}'",
        "script-src 'self' 'unsafe-inline'",
        PAGE,
    ),
    line(
        "pages: an answer that a browser knows has no policy",
        "api/dashboard.py",
        'headers={**headers, "Vary": "Accept-Encoding"})',
        'headers={"ETag": headers["ETag"]})',
        f"{DASHBOARD}::test_a_tab_sees_whether_there_is_a_newer_version",
    ),
    line(
        "pages: an answer opened as a page may do anything",
        "api/headers.py",
        "*(header for header in HEADERS if header[0] not in known)",
        '*(header for header in HEADERS if header[0] != b"content-security-policy")',
        "tests/integration/api/test_headers.py::test_every_kind_of_answer_has_them",
    ),
)

PAGES = (*OUTSIDE, *BROWSER)
