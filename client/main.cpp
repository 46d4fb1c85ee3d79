// SPDX-License-Identifier: MIT
#include "client/code.h"
#include "client/connect.h"
#include "client/profile.h"
#include "client/relay.h"
#include "client/settings.h"
#include "protocol/base/output.h"
#include "protocol/base/quote.h"

#include <CLI/CLI.hpp>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <sstream>

namespace {

using namespace xk;
using namespace xk::client;

struct Arguments {
    std::string host;
    std::uint16_t port = 0;
    std::string service;
    std::string profile, profiles;
    std::optional<std::string> otp;
    std::string source, for_address, lifetime;
    bool all = false, single = false;
    bool no_wait = false;
    bool verbose = false;
};

int fail(const Error& error) {
    std::istringstream lines(as_lines(error.message)); // faults of a profile are a line each
    for (std::string line; std::getline(lines, line);)
        std::fprintf(stderr, "knock-client: %s\n", line.c_str());
    if (!error.hint.empty())
        std::fprintf(stderr, "  hint: %s\n", as_line(error.hint).c_str());
    return static_cast<int>(error.exit);
}

// Keys are in our memory: not for core dumps, debuggers of other processes, or, as far as it is here already, the swap.
// The text of the profile lives on in yaml-cpp's nodes; the keys themselves are in memory of their own (Secret).
void guard_memory() {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    ::mlockall(MCL_CURRENT);
}

Result<Profile> profile_for(const Arguments& a) {
    const auto own = profile_directory();
    if (!own && a.profiles.empty() && a.profile.find('/') == std::string::npos)
        return own.error();
    auto profile = a.profile.find('/') != std::string::npos
                       ? load_profile(a.profile)
                       : find_profile(a.profiles.empty() ? *own : a.profiles, a.profile.empty() ? a.host : a.profile);
    if (profile && own)
        if (auto done = apply_settings(*own, *profile); !done)
            return done.error();
    return profile;
}

// Host as it can be connected to. What chose the profile without being one of its hosts is an alias, its name or that
// of its file, and does not resolve.
std::string host_of(const Arguments& a, const Profile& profile) {
    const bool is_alias = a.profile.empty() || profile.is_called(a.host);
    if (!is_alias || profile.has_host(a.host))
        return a.host;
    return !profile.server.empty() && !profile.gateway ? profile.server
           : profile.hosts.empty()                     ? a.host
                                                       : profile.hosts.front();
}

Error usage(Error error) {
    error.exit = Exit::usage;
    return error;
}

Result<Wish> wish_of(const Arguments& a) {
    Wish wish;
    wish.single = a.single;
    if (!a.source.empty()) {
        auto address = Address::parse(a.source);
        if (!address)
            return usage(address.error());
        wish.source = *address;
    }
    if (!a.for_address.empty()) {
        auto address = Address::parse(a.for_address);
        if (!address)
            return usage(address.error());
        wish.for_address = *address;
    }
    if (!a.lifetime.empty()) {
        auto lifetime = parse_duration(a.lifetime);
        if (!lifetime)
            return usage(lifetime.error());
        wish.lifetime = static_cast<std::uint32_t>(lifetime->count());
    }
    return wish;
}

// The service of the command line, or the profile's own: "tcp/22" or a name. Its endpoints come back, none if the
// profile does not know them.
Result<std::vector<Endpoint>> choose_service(const Arguments& a, const Profile& profile, Wish& wish) {
    const std::string name = a.service.empty() ? profile.service : a.service;
    if (name.empty())
        return Error{"which service?", "name one, or set \"service\" in " + profile.file, Exit::usage};
    const auto said = parse_service_wish(name);
    if (!said)
        return usage(said.error());
    wish.service = said->service;
    wish.endpoint = said->endpoint;
    wish.target = said->target;
    if (wish.service == 0)
        return wish.target == Address{} ? std::vector<Endpoint>{wish.endpoint} : std::vector<Endpoint>();
    if (!is_name(name))
        return Error{in_quotes(name) + " is not the name of a service", {}, Exit::usage};
    if (name == kAllServices) {
        std::vector<Endpoint> all;
        for (const auto& [service, endpoints] : profile.services)
            all.insert(all.end(), endpoints.begin(), endpoints.end());
        std::stable_partition(all.begin(), all.end(), [](const Endpoint& e) { return e.protocol == IpProtocol::tcp; });
        return all;
    }
    const auto known = profile.services.find(name);
    return known == profile.services.end() ? std::vector<Endpoint>() : known->second;
}

std::function<Result<std::string>()> codes_for(const Profile& profile, const std::optional<std::string>& otp) {
    return [&]() -> Result<std::string> {
        if (profile.factor != FactorKind::totp)
            return std::string();
        return obtain_code(profile, otp);
    };
}

void say_connected(const Arguments& a, const Connected& c, const std::string& what) {
    if (!c.knocked)
        std::fprintf(stderr, "knock-client: %s of %s answers without a knock\n", what.c_str(),
                     c.address.text().c_str());
    else if (a.verbose)
        std::fprintf(stderr, "knock-client: %s of %s open %.2f ms after the knock\n", what.c_str(),
                     c.address.text().c_str(), static_cast<double>(c.since_knock.count()) / 1000);
}

int run_proxy(const Arguments& a) {
    auto profile = profile_for(a);
    if (!profile)
        return fail(profile.error());
    auto wish = wish_of(a);
    if (!wish)
        return fail(wish.error());
    wish->endpoint = {IpProtocol::tcp, a.port};
    auto connected = knock_and_connect(*profile, *wish, host_of(a, *profile), a.port, codes_for(*profile, a.otp));
    if (!connected)
        return fail(connected.error());
    if (a.verbose)
        say_connected(a, *connected, "tcp/" + std::to_string(a.port));
    auto done = relay(std::move(connected->fd), STDIN_FILENO, STDOUT_FILENO);
    return done ? 0 : fail(done.error());
}

int run_open(const Arguments& a) {
    auto profile = profile_for(a);
    if (!profile)
        return fail(profile.error());
    auto wish = wish_of(a);
    if (!wish)
        return fail(wish.error());
    auto endpoints = choose_service(a, *profile, *wish);
    if (!endpoints)
        return fail(endpoints.error());
    // That one port answers says nothing of the others, and not for how long.
    if (endpoints->size() > 1 || wish->lifetime != 0)
        profile->probe = {};
    const std::string host = host_of(a, *profile);
    // Only a TCP port of our own address says whether it is open; the one connection of --single is not ours to use up.
    const bool can_try = !a.no_wait && !wish->single && !endpoints->empty() &&
                         endpoints->front().protocol == IpProtocol::tcp && !wish->for_address;
    if (can_try) {
        auto connected = knock_and_connect(*profile, *wish, host, endpoints->front().port, codes_for(*profile, a.otp));
        if (!connected)
            return fail(connected.error());
        Arguments loud = a;
        loud.verbose = true;
        say_connected(loud, *connected, endpoints->front().text());
        return 0;
    }
    auto code = codes_for(*profile, a.otp)();
    if (!code)
        return fail(code.error());
    if (auto sent = knock_only(*profile, *wish, host, *code); !sent)
        return fail(sent.error());
    std::fprintf(stderr, "knock-client: knocked; a server does not answer, so nobody knows more here\n");
    return 0;
}

int run_close(const Arguments& a) {
    auto profile = profile_for(a);
    if (!profile)
        return fail(profile.error());
    auto wish = wish_of(a);
    if (!wish)
        return fail(wish.error());
    wish->action = a.all ? Action::close_all : Action::close;
    if (a.all)
        wish->endpoint = {IpProtocol::tcp, 1}; // the field must say something
    else if (auto endpoints = choose_service(a, *profile, *wish); !endpoints)
        return fail(endpoints.error());
    auto code = codes_for(*profile, a.otp)();
    if (!code)
        return fail(code.error());
    if (auto sent = knock_only(*profile, *wish, host_of(a, *profile), *code); !sent)
        return fail(sent.error());
    return 0;
}

int run_status(const Arguments& a) {
    auto profile = profile_for(a);
    if (!profile)
        return fail(profile.error());
    const std::string host = host_of(a, *profile);
    std::printf("profile     %s (%s)\n", printable(profile->name).c_str(), as_line(profile->file).c_str());
    std::printf("factor      %s%s\n", std::string(name_of(profile->factor)).c_str(),
                profile->is_automatic() ? "" : ", asked for on the terminal");
    auto addresses = resolve(host);
    if (!addresses)
        return fail(addresses.error());
    Wish wish;
    if (auto made = wish_of(a))
        wish = *made;
    const auto endpoints = choose_service(a, *profile, wish);
    for (const Address& address : *addresses) {
        auto knock = Knock::prepare(*profile, wish, address);
        if (!knock) {
            std::printf("address     %s: %s\n", address.text().c_str(), as_line(knock.error().message).c_str());
            continue;
        }
        std::printf("address     %s from %s%s\n", address.text().c_str(), knock->local().text().c_str(),
                    knock->mode() == AddressMode::source ? ", taken for one behind NAT" : "");
        if (!endpoints || endpoints->empty() || endpoints->front().protocol != IpProtocol::tcp)
            continue;
        Attempts attempts;
        attempts.begin(address, endpoints->front().port, knock->local());
        const bool open = attempts.wait(std::max(profile->probe, std::chrono::milliseconds(250))).has_value();
        std::printf("port        %s %s\n", endpoints->front().text().c_str(),
                    open ? "answers" : "is silent: closed, or nobody there");
    }
    return 0;
}

int run_command(int argc, char** argv) {
    CLI::App app("knock-client: opens a port of a server that runs xknockd");
    app.require_subcommand(1);
    app.set_version_flag("--version", "knock-client " XK_VERSION);
    Arguments a;
    int (*run)(const Arguments&) = nullptr;

    const auto add = [&](const char* name, const char* what, int (*function)(const Arguments&)) {
        CLI::App* const sub = app.add_subcommand(name, what);
        sub->add_option("host", a.host, "host name, address, or a profile's alias")->required();
        sub->add_option("--profile", a.profile, "name of the profile, or its file");
        sub->add_option("--profiles", a.profiles, "directory of profiles (~/.config/xknock)");
        sub->add_option("--source", a.source, "our own address to use");
        sub->add_flag("-v,--verbose", a.verbose, "say what happened");
        sub->callback([&run, function] { run = function; });
        return sub;
    };
    const auto add_code = [&](CLI::App* sub) {
        sub->add_option("--otp", a.otp, "one-time code; it can be seen in the list of processes");
    };
    const auto add_lifetime = [&](CLI::App* sub) {
        sub->add_option("--lifetime", a.lifetime, "how long the grant is to stay open: 30s, 5m");
        sub->add_flag("--single", a.single, "the grant shuts behind the first connection");
    };
    const char* const kService = "its name on the server, all, tcp/22, or tcp/22@HOST behind it";

    CLI::App* const proxy = add("proxy", "for ssh: ProxyCommand knock-client proxy -- %h %p", run_proxy);
    proxy->add_option("port", a.port, "TCP port")->required()->check(CLI::Range(1, 65535));
    add_code(proxy);
    add_lifetime(proxy);
    CLI::App* const open = add("open", "open a service for our address", run_open);
    open->add_option("service", a.service, kService);
    open->add_option("--for", a.for_address, "open for this address instead (needs the right to)");
    open->add_flag("--no-wait", a.no_wait, "do not try whether the port answers");
    add_code(open);
    add_lifetime(open);
    CLI::App* const close = add("close", "close what this credential opened", run_close);
    close->add_option("service", a.service, kService);
    close->add_flag("--all", a.all, "everything, for every address");
    add_code(close);
    CLI::App* const status = add("status", "show profile, addresses and whether the port answers", run_status);
    status->add_option("service", a.service, kService);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? static_cast<int>(Exit::ok) : static_cast<int>(Exit::usage);
    }
    ::signal(SIGPIPE, SIG_IGN);
    guard_memory();
    if (sodium_init() < 0)
        return fail(Error{"libsodium does not start", {}, Exit::bug});
    return run(a);
}

} // namespace

int main(int argc, char** argv) {
    hold_standard_descriptors();
    return finish_output("knock-client", run_command(argc, argv));
}
