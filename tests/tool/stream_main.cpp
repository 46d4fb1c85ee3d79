// SPDX-License-Identifier: MIT
//
// xk-stream: knocks without a pause, each for an address of its own, until standard input closes or --count is reached.
// The profiles take turns (no totp: nobody would type so many codes). No knock is sent twice. Prints how many went out;
// with
// --times before that a line for each: the wall clock in ms just before it was sent, and its address.
#include "client/knock.h"
#include "client/profile.h"
#include "protocol/base/address.h"

#include <CLI/CLI.hpp>

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <limits>
#include <thread>
#include <vector>

using namespace xk;
using Clock = std::chrono::steady_clock;

namespace {

struct Options {
    std::vector<std::string> profiles;
    std::string directory;
    unsigned long first_profile = 1;
    std::string to, first = "2001:db8:7::", service, endpoint = "tcp/22";
    unsigned long count = std::numeric_limits<unsigned long>::max(), addresses = 1ul << 32;
    unsigned interval_us = 10'000;
    bool times = false;
};

int fail(const Error& error) {
    std::cerr << "xk-stream: " << error.message << "\n";
    return 1;
}

// The n-th address behind the first: its last 32 bits count up.
Address nth(Address address, std::uint32_t n) {
    for (std::size_t i = 0; i < 4; ++i)
        address.bytes[15 - i] = static_cast<std::uint8_t>(n >> (8 * i));
    return address;
}

bool is_over() {
    pollfd in{STDIN_FILENO, POLLIN, 0};
    char byte;
    return ::poll(&in, 1, 0) > 0 && ::read(STDIN_FILENO, &byte, 1) <= 0;
}

Result<void> knock(const client::Profile& profile, const Options& o, const Address& server, unsigned long n) {
    client::RequestSpec spec;
    if (o.service.empty())
        spec.endpoint = Endpoint::parse(o.endpoint).value();
    else
        spec.service = service_id(o.service);
    spec.for_address = nth(Address::parse(o.first).value(), static_cast<std::uint32_t>(n % o.addresses));
    if (o.times)
        std::printf("%lld %s\n",
                    static_cast<long long>(std::chrono::floor<std::chrono::milliseconds>(
                                               std::chrono::system_clock::now().time_since_epoch())
                                               .count()),
                    spec.for_address->text().c_str());
    auto made = client::Knock::prepare(profile, spec, server);
    return made ? made->send({}) : made.error();
}

// Of the directory, 1.yaml and so on, as far as they go, and no more than are wanted: a process can have the locked
// memory of some thousands of them.
std::vector<std::string> files_of(const Options& o) {
    std::vector<std::string> files = o.profiles;
    for (unsigned long n = o.first_profile; !o.directory.empty() && files.size() < o.count; ++n) {
        const std::string file = o.directory + "/" + std::to_string(n) + ".yaml";
        if (!std::filesystem::exists(file))
            break;
        files.push_back(file);
    }
    return files;
}

int run(const Options& o) {
    std::vector<client::Profile> profiles;
    for (const std::string& file : files_of(o)) {
        auto loaded = client::load_profile(file);
        if (!loaded)
            return fail(loaded.error());
        profiles.push_back(*std::move(loaded));
    }
    if (profiles.empty())
        return fail(Error{"no profile", {}});
    const Address server = Address::parse(o.to).value();
    unsigned long sent = 0;
    for (auto next = Clock::now(); sent < o.count && !is_over(); ++sent) {
        if (auto done = knock(profiles[sent % profiles.size()], o, server, sent); !done)
            return fail(done.error());
        next = std::max(next + std::chrono::microseconds(o.interval_us), Clock::now());
        std::this_thread::sleep_until(next);
    }
    std::printf("%lu\n", sent);
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("xk-stream");
    Options o;
    app.add_option("--profile", o.profiles);
    app.add_option("--profiles", o.directory, "a directory of 1.yaml, 2.yaml and so on");
    app.add_option("--first-profile", o.first_profile, "of the directory");
    app.add_option("--to", o.to)->required();
    app.add_option("--first", o.first, "the first address to open for");
    app.add_option("--addresses", o.addresses, "how many, then from the first again")->check(CLI::PositiveNumber);
    app.add_option("--service", o.service);
    app.add_option("--endpoint", o.endpoint);
    app.add_option("--count", o.count);
    app.add_option("--interval-us", o.interval_us);
    app.add_flag("--times", o.times);
    CLI11_PARSE(app, argc, argv);
    return run(o);
}
