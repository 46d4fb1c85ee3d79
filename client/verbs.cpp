// SPDX-License-Identifier: MIT
#include "client/verbs.h"

#include "client/chosen.h"
#include "client/code.h"
#include "client/connect.h"
#include "client/fwknop_options.h"
#include "client/last_use.h"
#include "client/output_watch.h"
#include "client/pass_socket.h"
#include "client/profile.h"
#include "client/relay.h"
#include "client/settings.h"
#include "client/unwatched.h"
#include "protocol/base/quote.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <sstream>

namespace xk::client {
namespace {

// Standard input and output of a proxy are ssh's. Nothing is sent for a stream that nobody can use.
Result<void> check_stream(bool must_pass) {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO}) {
        const int mode = ::fcntl(fd, F_GETFL) & O_ACCMODE;
        if (mode != O_RDWR && mode != (fd == STDIN_FILENO ? O_RDONLY : O_WRONLY))
            return Error{std::string("standard ") + (fd == STDIN_FILENO ? "input" : "output") + " is closed",
                         "ssh starts proxy with both; see ProxyCommand in docs/client.md", Exit::usage};
    }
    return must_pass ? check_can_pass(STDOUT_FILENO) : Result<void>();
}

// One request whose port is not tried.
Result<void> send_request(const Arguments& a, const Profile& profile, const RequestSpec& spec) {
    Codes codes(profile, a.otp);
    const auto next = [&] { return codes.next_unwatched(); };
    const auto used = [&](const std::string& code) { codes.used(code); };
    const auto ahead = [&](std::chrono::microseconds time) { codes.server_is_ahead(time); };
    return knock_unwatched(profile, spec, host_of(a, profile), {next, used, ahead}, Story(a.verbose));
}

// Others may ask, or go on, as soon as the connection stands or does not.
Result<Connected> connect_by_codes(const Arguments& a, const Profile& profile, const RequestSpec& spec,
                                   std::uint16_t port) {
    const std::string host = host_of(a, profile);
    Codes codes(profile, a.otp, wish_of(profile, spec, host, port));
    auto connected = knock_and_connect(profile, spec, host, port, codes, Story(a.verbose));
    codes.ended(connected.has_value());
    remember_use(profile, connected ? kOpened : kFailed);
    return connected;
}

void say_connected(const Arguments& a, const Connected& c, const std::string& what) {
    if (!c.knocked)
        std::fprintf(stderr, "knock-client: %s of %s answers without a knock\n", what.c_str(),
                     c.address.text().c_str());
    else if (a.verbose)
        std::fprintf(stderr, "knock-client: %s of %s open %.2f ms after the knock\n", what.c_str(),
                     c.address.text().c_str(), static_cast<double>(c.since_knock.count()) / 1000);
}

} // namespace

int fail(const Error& error) {
    std::istringstream lines(as_lines(error.message)); // faults of a profile are a line each
    for (std::string line; std::getline(lines, line);)
        std::fprintf(stderr, "knock-client: %s\n", line.c_str());
    if (!error.hint.empty())
        std::fprintf(stderr, "  hint: %s\n", as_line(error.hint).c_str());
    return static_cast<int>(error.exit);
}

int run_proxy(const Arguments& a) {
    if (auto usable = check_stream(a.pass_socket); !usable)
        return fail(usable.error());
    auto watch = OutputWatch::start(STDOUT_FILENO);
    if (!watch)
        return fail(watch.error());
    auto profile = profile_for(a);
    if (!profile)
        return fail(profile.error());
    auto spec = request_spec_of(a);
    if (!spec)
        return fail(spec.error());
    spec->endpoint = {IpProtocol::tcp, a.port};
    auto connected = connect_by_codes(a, *profile, *spec, a.port);
    if (!connected)
        return fail(connected.error());
    if (a.verbose)
        say_connected(a, *connected, "tcp/" + std::to_string(a.port));
    watch->reset();
    if (a.pass_socket) {
        auto passed = pass_socket(connected->fd, STDOUT_FILENO);
        return passed ? 0 : fail(passed.error());
    }
    auto done = relay(std::move(connected->fd), STDIN_FILENO, STDOUT_FILENO);
    return done ? 0 : fail(done.error());
}

// What is known of the port when nothing was tried there.
const char* unknown_outcome(const Profile& profile) {
    return profile.by_handshake() ? "the server answered the hello; it does not say whether it accepted the request"
                                  : "a server does not answer, so nobody knows more here";
}

int run_open(const Arguments& given) {
    auto meant = in_own_words(given);
    if (!meant)
        return fail(meant.error());
    Arguments& a = *meant;
    auto profile = profile_for(a);
    if (!profile)
        return fail(profile.error());
    if (a.host.empty())
        a.host = profile->name; // an alias: the host is the profile's own
    auto spec = request_spec_of(a);
    if (!spec)
        return fail(spec.error());
    auto endpoints = choose_service(a, *profile, *spec);
    if (!endpoints)
        return fail(endpoints.error());
    // That one port answers says nothing of the others, and not for how long.
    if (endpoints->size() > 1 || spec->lifetime != 0)
        profile->probe = {};
    // Only a TCP port of our own address says whether it is open; the one connection of --single is not ours to use up.
    const bool can_try = !a.no_wait && !spec->single_use && !endpoints->empty() &&
                         endpoints->front().protocol == IpProtocol::tcp && !spec->for_address;
    if (can_try) {
        auto connected = connect_by_codes(a, *profile, *spec, endpoints->front().port);
        if (!connected)
            return fail(connected.error());
        Arguments loud = a;
        loud.verbose = true;
        say_connected(loud, *connected, endpoints->front().text());
        return 0;
    }
    if (auto sent = send_request(a, *profile, *spec); !sent)
        return fail(sent.error());
    remember_use(*profile, kSent);
    std::fprintf(stderr, "knock-client: knocked; %s\n", unknown_outcome(*profile));
    return 0;
}

int run_test(const Arguments& a) {
    auto profile = profile_for(a);
    if (!profile)
        return fail(profile.error());
    auto spec = request_spec_of(a);
    if (!spec)
        return fail(spec.error());
    spec->action = Action::probe;
    if (auto endpoints = choose_service(a, *profile, *spec); !endpoints)
        return fail(endpoints.error());
    if (auto sent = send_request(a, *profile, *spec); !sent)
        return fail(sent.error());
    remember_use(*profile, kSent);
    std::fprintf(stderr,
                 "knock-client: the probe was sent; %s. Its log says \"probe by\" this device, or why it was refused "
                 "(journalctl -u xknockd)\n",
                 unknown_outcome(*profile));
    return 0;
}

int run_close(const Arguments& a) {
    auto profile = profile_for(a);
    if (!profile)
        return fail(profile.error());
    auto spec = request_spec_of(a);
    if (!spec)
        return fail(spec.error());
    spec->action = a.all ? Action::close_all : Action::close;
    if (a.all)
        spec->endpoint = {IpProtocol::tcp, 1}; // the field must say something
    else if (auto endpoints = choose_service(a, *profile, *spec); !endpoints)
        return fail(endpoints.error());
    if (auto sent = send_request(a, *profile, *spec); !sent)
        return fail(sent.error());
    return 0;
}

} // namespace xk::client
