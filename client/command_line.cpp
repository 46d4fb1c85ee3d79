// SPDX-License-Identifier: MIT
#include "client/command_line.h"

#include "client/enroll.h"
#include "client/enroll_command_line.h"
#include "client/fwknop_options.h"
#include "client/import.h"
#include "client/keep.h"
#include "client/sequence_verb.h"
#include "client/ssh_config.h"
#include "client/verbs.h"
#include "protocol/cli/usage.h"

#include <CLI/CLI.hpp>

#include <sodium.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace xk::client {
namespace {

// Keys are in this process: keep them out of core dumps, of debuggers in other processes, and of the swap. The lock
// covers the pages that have contents now; keys that are read later lie in memory that locks itself (Secret). The
// profile's text stays in yaml-cpp's nodes.
void guard_memory() {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    ::mlockall(MCL_CURRENT | MCL_ONFAULT); // a page without contents needs no time yet
}

struct Verb {
    const char* name;
    const char* what;
    int (*run)(const Arguments&);
    void (*add_options)(CLI::App&, Arguments&);
};

void add_common(CLI::App& verb, Arguments& a) {
    verb.add_option("host", a.host, "host name, address, or a profile's alias")->required();
    verb.add_option("--profile", a.profile, "name of the profile, or its file");
    verb.add_option("--profiles", a.profiles, "directory of profiles (~/.config/xknock)");
    verb.add_option("--source", a.source, "our own address to use");
    auto* const four = verb.add_flag_callback(
        "-4", [&a] { a.family = Family::ipv4; }, "IPv4 alone");
    verb.add_flag_callback(
            "-6", [&a] { a.family = Family::ipv6; }, "IPv6 alone")
        ->excludes(four);
    verb.add_flag("-v,--verbose", a.verbose, "say what happened");
}

void add_code(CLI::App& verb, Arguments& a) {
    verb.add_option("--otp", a.otp, "one-time code; it can be seen in the list of processes");
}

void add_handshake(CLI::App& verb, Arguments& a) {
    verb.add_flag_function(
        "--handshake,!--no-handshake", [&a](std::int64_t count) { a.handshake = count > 0; },
        "ask the server first: our clock may be wrong, and it sees our address");
}

void add_lifetime(CLI::App& verb, Arguments& a) {
    verb.add_option("--lifetime", a.lifetime, "how long the grant is to stay open: 30s, 5m");
    verb.add_flag("--single", a.single_use, "the grant shuts behind the first connection");
}

void add_service(CLI::App& verb, Arguments& a) {
    add_common(verb, a);
    verb.add_option("service", a.service, "its name on the server, all, tcp/22, or tcp/22@HOST behind it");
}

void proxy_options(CLI::App& verb, Arguments& a) {
    add_common(verb, a);
    add_handshake(verb, a);
    verb.add_option("port", a.port, "TCP port")->required()->check(CLI::Range(1, 65535));
    verb.add_flag("--fdpass", a.pass_socket, "hand the connection to ssh (ProxyUseFdpass yes) and end");
    add_code(verb, a);
    add_lifetime(verb, a);
}

void open_options(CLI::App& verb, Arguments& a) {
    add_service(verb, a);
    verb.get_option("host")->required(false); // fwknop's -D or -n may name it
    add_fwknop_options(verb, a);
    add_handshake(verb, a);
    verb.add_option("--for", a.for_address, "open for this address instead (needs the right to)");
    verb.add_flag("--no-wait", a.no_wait, "do not try whether the port answers");
    add_code(verb, a);
    add_lifetime(verb, a);
}

void close_options(CLI::App& verb, Arguments& a) {
    add_service(verb, a);
    add_handshake(verb, a);
    verb.add_flag("--all", a.all, "everything, for every address");
    add_code(verb, a);
}

void status_options(CLI::App& verb, Arguments& a) {
    add_service(verb, a);
    verb.add_flag("--json", a.json, "for programs");
}

void test_options(CLI::App& verb, Arguments& a) {
    add_service(verb, a);
    add_handshake(verb, a);
    add_code(verb, a);
}

void keep_options(CLI::App& verb, Arguments& a) {
    add_service(verb, a);
    add_handshake(verb, a);
    verb.add_option("--lifetime", a.lifetime, "what is asked for each time (5m); the next knock comes at half of it");
    verb.add_option("--every", a.every, "the longest time between knocks (5s; 45s with one-time codes)");
    verb.add_flag("--leave", a.leave, "do not close the grant at the end");
}

void sequence_options(CLI::App& verb, Arguments& a) {
    add_service(verb, a);
    auto* const tcp = verb.add_flag("--tcp", a.tcp, "begin a TCP connection to each port");
    verb.add_flag_callback(
            "--udp", [&a] { a.tcp = false; }, "send an empty UDP datagram to each port (this is the default)")
        ->excludes(tcp);
    verb.add_option("--ports", a.ports, "how many ports (as the profile says; 4 with --code)")
        ->check(CLI::Range(std::size_t{1}, sequence::kMostPorts));
    verb.add_option("--pause", a.pause, "milliseconds between two ports (20; 100 with --print)")
        ->check(CLI::Range(1, 1000));
    auto* const no_wait = verb.add_flag("--no-wait", a.no_wait, "do not try whether the port answers");
    verb.add_flag("--print", a.print, "send nothing; print a line that sends them from another machine's shell")
        ->excludes(no_wait)
        ->excludes(verb.get_option("--source"));
    verb.add_option("--code", a.code,
                    "knock as c-lock does, by this one-time code; it can be seen in the list of processes (-: from "
                    "standard input)")
        ->excludes(verb.get_option("--print"));
}

void ls_options(CLI::App& verb, Arguments& a) {
    verb.add_option("--profiles", a.profiles, "directory of profiles (~/.config/xknock)");
    verb.add_flag("--json", a.json, "for programs");
}

void ssh_config_options(CLI::App& verb, Arguments& a) {
    add_common(verb, a);
    verb.add_flag("--fdpass", a.pass_socket, "for OpenSSH alone: no relay stands in the data path");
    auto* const install = verb.add_flag("--install", a.install, "write it where ssh reads it");
    verb.add_flag("--remove", a.remove, "take it away again")->excludes(install);
}

constexpr Verb kVerbs[] = {
    {"proxy", "for ssh: ProxyCommand knock-client proxy -- %h %p", run_proxy, proxy_options},
    {"open", "open a service for our address", run_open, open_options},
    {"close", "close what this credential opened", run_close, close_options},
    {"status", "show profile, addresses and whether the port answers", run_status, status_options},
    {"test", "send a knock that is judged and opens nothing", run_test, test_options},
    {"keep", "hold a service open until told to stop", run_keep, keep_options},
    {"sequence", "knock with a sequence of ports, or print it", run_sequence, sequence_options},
    {"enroll", "bring a profile here, by ssh or from a bundle", run_enroll, enroll_options},
    {"import", "take over what another client's file says", run_import, import_options},
    {"ls", "list the profiles, and how each was used last", run_ls, ls_options},
    {"ssh-config", "show what ssh_config needs for this host, or put it there", run_ssh_config, ssh_config_options},
};

// To make the options of all verbs would take a third of the time until a knock leaves. Where the first word is a verb,
// no other one is needed.
std::vector<Verb> needed_verbs(int argc, char** argv) {
    std::vector<Verb> needed(std::begin(kVerbs), std::end(kVerbs));
    const auto is_first = [&](const Verb& verb) { return argc > 1 && argv[1] == std::string_view(verb.name); };
    if (std::any_of(needed.begin(), needed.end(), is_first))
        std::erase_if(needed, [&](const Verb& verb) { return !is_first(verb); });
    return needed;
}

bool takes_value(const CLI::App& app, const std::string& word) {
    for (const CLI::App* sub : app.get_subcommands(nullptr))
        if (const CLI::Option* const option = sub->get_option_no_throw(word))
            return option->get_items_expected_max() > 0;
    return false;
}

// The words with the verb first, so that its options may stand on either side of it.
std::vector<std::string> verb_first(const CLI::App& app, int argc, char** argv) {
    std::vector<std::string> words(argv + 1, argv + argc);
    for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
        if (words[i].size() > 1 && words[i].front() == '-') {
            i += takes_value(app, words[i]) ? std::size_t{1} : 0;
            continue;
        }
        std::rotate(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(i),
                    words.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        break;
    }
    return words;
}

void set_up(CLI::App& app, Arguments& a, int (*&run)(const Arguments&), const std::vector<Verb>& verbs) {
    app.require_subcommand(1);
    app.set_version_flag("--version", "knock-client " XK_VERSION);
    for (const Verb& verb : verbs) {
        CLI::App* const sub = app.add_subcommand(verb.name, verb.what);
        verb.add_options(*sub, a);
        sub->callback([&run, function = verb.run] { run = function; });
    }
}

constexpr char kAbout[] = "opens a port of a server that runs xknockd", kName[] = "knock-client";

} // namespace

int describe_command_line(const std::function<int(const CLI::App&)>& use) {
    CLI::App app(kAbout, kName);
    Arguments a;
    int (*run)(const Arguments&) = nullptr;
    set_up(app, a, run, {std::begin(kVerbs), std::end(kVerbs)});
    return use(app);
}

int run_command_line(int argc, char** argv) {
    CLI::App app(kAbout, kName);
    Arguments a;
    int (*run)(const Arguments&) = nullptr;
    set_up(app, a, run, needed_verbs(argc, argv));
    try {
        std::vector<std::string> words = verb_first(app, argc, argv);
        std::reverse(words.begin(), words.end()); // as CLI11 wants them
        app.parse(std::move(words));
    } catch (const CLI::ParseError& e) {
        return finish_usage(app, kName, e);
    }
    ::signal(SIGPIPE, SIG_IGN);
    guard_memory();
    if (sodium_init() < 0)
        return fail(Error{"libsodium does not start", {}, Exit::bug});
    return run(a);
}

} // namespace xk::client
