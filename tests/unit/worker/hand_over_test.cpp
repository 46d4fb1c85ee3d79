// SPDX-License-Identifier: MIT
//
// The worker as it is shipped, with this test in the place of xknockd: how it gets its secrets, and what it makes of a
// peer that sends more than it can answer. Loads a map and changes the worker's user: root.
#include "daemon/authz/state.h"
#include "daemon/privsep/messages.h"
#include "daemon/privsep/spawn.h"
#include "protocol/encoding.h"

#include <bpf/bpf.h>
#include <doctest/doctest.h>

#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <functional>
#include <string>

using namespace xk;
using namespace xk::privsep;

namespace {

constexpr uid_t kUid = 62006;
constexpr gid_t kGid = 62007;

Fd file_with(const void* bytes, std::size_t size) {
    Fd fd(::memfd_create("xk-test", MFD_CLOEXEC));
    REQUIRE(::write(fd.get(), bytes, size) == static_cast<ssize_t>(size));
    REQUIRE(::lseek(fd.get(), 0, SEEK_SET) == 0);
    return fd;
}
Fd file_with(const std::string& text) { return file_with(text.data(), text.size()); }

// 32 bytes of this value, as a key is written.
std::string key_of(std::uint8_t byte) {
    Bytes<32> key;
    key.fill(byte);
    return to_base64(key) + "\n";
}

constexpr std::size_t kReplayEntries = 4096;

struct TestWorker {
    Child worker;
    std::vector<authz::Credential> credentials;

    explicit TestWorker(std::uint32_t count) : worker(spawn_child(XK_WORKER).value()) {
        const Fd ring(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "xk_test", 0, 0, 1u << 16, nullptr));
        const Fd state(::memfd_create("xk-test-state", MFD_CLOEXEC));
        REQUIRE(ring);
        REQUIRE(::ftruncate(state.get(), authz::state_size(kReplayEntries)) == 0);
        Setup setup;
        setup.uid = kUid;
        setup.gid = kGid;
        setup.replay_entries = kReplayEntries;
        setup.boot_id = {1};
        const int fds[] = {ring.get(), state.get()};
        REQUIRE(send(worker.channel, setup, fds));
        REQUIRE(next<Ready>());
        for (std::uint32_t i = 0; i < count; ++i) {
            credentials.emplace_back();
            credentials.back().id = {1, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)};
            credentials.back().factor = i % 2 == 0 ? FactorKind::none : FactorKind::hmac;
        }
    }
    ~TestWorker() {
        ::kill(worker.pid, SIGKILL);
        ::waitpid(worker.pid, nullptr, 0);
    }
    TestWorker(const TestWorker&) = delete;
    TestWorker& operator=(const TestWorker&) = delete;

    // The next message that it sends, if it is of this type.
    template <typename M>
    std::optional<M> next() {
        pollfd there{worker.channel.fd(), POLLIN, 0};
        ::poll(&there, 1, 10'000); // only for a test that fails
        auto received = worker.channel.receive(false).value();
        return received ? as<M>(*received) : std::nullopt;
    }
    SecretsRead begin() {
        NewPolicy policy;
        policy.generation = 5;
        policy.credentials = static_cast<std::uint32_t>(credentials.size());
        const Fd file = file_with(credentials.data(), credentials.size() * sizeof(authz::Credential));
        const int fd = file.get();
        REQUIRE(send(worker.channel, policy, {&fd, 1}));
        return next<SecretsRead>().value();
    }
    // With these keys, and a factor for each that has one.
    void give(std::uint32_t first, const std::vector<std::string>& keys, std::uint32_t without = 0) {
        Secrets message;
        message.first = first;
        message.count = static_cast<std::uint32_t>(keys.size());
        message.without = without;
        std::vector<Fd> files;
        std::vector<int> fds;
        for (std::uint32_t n = 0; n < message.count; ++n) {
            if ((without >> n & 1) != 0)
                continue;
            files.push_back(file_with(keys[n]));
            if (credentials[first + n].factor != FactorKind::none)
                files.push_back(file_with(n == 3 ? "no factor" : key_of(77)));
        }
        for (const Fd& fd : files)
            fds.push_back(fd.get());
        REQUIRE(send(worker.channel, message, fds));
    }
    std::vector<std::string> keys(std::uint32_t count) { return std::vector<std::string>(count, key_of(9)); }

    // That it ends for a message that makes no sense.
    bool ends() {
        int status = 0;
        return ::waitpid(worker.pid, &status, 0) == worker.pid && WIFEXITED(status) &&
               WEXITSTATUS(status) == static_cast<int>(Exit::bug);
    }
    std::size_t most_memory() const { // MiB
        std::ifstream in("/proc/" + std::to_string(worker.pid) + "/status");
        for (std::string word; in >> word;)
            if (word == "VmHWM:") {
                std::size_t kib = 0;
                in >> kib;
                return kib / 1024;
            }
        return 0;
    }
};

} // namespace

TEST_CASE("secrets are asked for a few at a time, and when all are read the configuration may count") {
    TestWorker w(40);
    CHECK(w.begin().next == 0);
    std::uint32_t next = 0;
    for (const std::uint32_t count : {16u, 16u, 8u}) {
        std::vector<std::string> keys = w.keys(count);
        std::uint32_t without = 0, bad_factors = 1u << 3;
        if (next == 16) {
            keys[1] = key_of(0); // everybody has it
            keys[4] = "not a key\n";
            keys[15] = "";
            without = 1u << 6;
            CHECK(w.credentials[17].factor == FactorKind::hmac);
        }
        w.give(next, keys, without);
        const auto read = w.next<SecretsRead>();
        REQUIRE(read.has_value());
        next += count;
        CHECK(read->generation == 5);
        CHECK(read->next == next);
        CHECK(read->bad_keys == (next == 32 ? 1u << 1 | 1u << 4 | 1u << 6 | 1u << 15 : 0u));
        CHECK(read->bad_factors == bad_factors);
    }
    REQUIRE(send(w.worker.channel, Activate{}));
    while (true) {
        pollfd there{w.worker.channel.fd(), POLLIN, 0};
        REQUIRE(::poll(&there, 1, 10'000) == 1);
        const auto received = w.worker.channel.receive(false).value();
        REQUIRE(received.has_value());
        if (const auto tags = as<Tags>(*received); tags && tags->last == 1)
            break;
    }
}

TEST_CASE("a configuration does not count before each credential has had its own secrets, once and in order") {
    const std::pair<const char*, std::function<void(TestWorker&)>> attempts[] = {
        {"none of them", [](TestWorker& w) { CHECK(send(w.worker.channel, Activate{})); }},
        {"not the last",
         [](TestWorker& w) {
             w.give(0, w.keys(16));
             CHECK(w.next<SecretsRead>()->next == 16);
             w.give(16, w.keys(3));
             CHECK(w.next<SecretsRead>()->next == 19);
             CHECK(send(w.worker.channel, Activate{}));
         }},
        {"not the first", [](TestWorker& w) { w.give(4, w.keys(16)); }},
        {"some twice",
         [](TestWorker& w) {
             w.give(0, w.keys(16));
             CHECK(w.next<SecretsRead>()->next == 16);
             w.give(0, w.keys(16));
         }},
        {"more than there are",
         [](TestWorker& w) {
             w.give(0, w.keys(16));
             CHECK(w.next<SecretsRead>()->next == 16);
             w.credentials.resize(24);
             w.give(16, w.keys(5));
         }},
        {"without their files",
         [](TestWorker& w) {
             Secrets message;
             message.count = 1;
             CHECK(send(w.worker.channel, message));
         }},
        {"the ones of the configuration before",
         [](TestWorker& w) {
             w.give(0, w.keys(16));
             CHECK(w.next<SecretsRead>()->next == 16);
             w.give(16, w.keys(4));
             CHECK(w.next<SecretsRead>()->next == 20);
             CHECK(w.begin().next == 0);
             CHECK(send(w.worker.channel, Activate{}));
         }},
    };
    for (const auto& [what, attempt] : attempts) {
        CAPTURE(what);
        TestWorker w(20);
        CHECK(w.begin().next == 0);
        attempt(w);
        CHECK(w.ends());
    }
}

TEST_CASE("while it cannot answer, any number of bans counts at once and what waits is small") {
    TestWorker w(0);
    constexpr std::uint32_t kPings = 5000; // more than the socket takes answers to, so that it waits for room
    Ping ping;
    for (ping.number = 1; ping.number <= kPings; ++ping.number)
        REQUIRE(send(w.worker.channel, ping));
    privsep::Ban ban;
    ban.for_ever = 1;
    for (std::uint32_t i = 0; i < 131072; ++i) { // as many as the filter holds
        ban.prefix = Prefix::of(Address::v4(203, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
                                            static_cast<std::uint8_t>(i)));
        REQUIRE(send(w.worker.channel, ban));
    }
    for (std::uint32_t number = 1; number <= kPings; ++number) {
        const auto pong = w.next<Pong>();
        REQUIRE(pong.has_value());
        REQUIRE(pong->number == number);
    }
#if !defined(__SANITIZE_ADDRESS__)
    MESSAGE("the worker has had ", w.most_memory(), " MiB at most");
    CHECK(w.most_memory() < 48);
#endif
}

TEST_CASE("what waits has an end") {
    TestWorker w(0);
    for (Ping ping; ping.number < 200'000 && send(w.worker.channel, ping); ++ping.number)
        ;
    CHECK(w.ends());
}
