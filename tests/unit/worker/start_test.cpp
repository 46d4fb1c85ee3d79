// SPDX-License-Identifier: MIT
//
// The worker's start: what it accepts as its first message, and with which state it begins.
#include "tests/unit/worker/test_worker.h"

#include "daemon/authz/state_read.h"

#include <fcntl.h>
#include <sys/resource.h>

using namespace xk;
using namespace xk::test;

namespace {

constexpr std::uint64_t kEntries = 4096;

// A live file of judgement, mapped by this test.
struct StateFile {
    Fd fd;
    std::span<std::uint8_t> memory;

    StateFile() : fd(::memfd_create("xk-test-state", MFD_CLOEXEC)) {
        const std::size_t size = authz::state_size(kEntries);
        REQUIRE(::ftruncate(fd.get(), static_cast<off_t>(size)) == 0);
        void* const mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
        REQUIRE(mapped != MAP_FAILED);
        memory = {static_cast<std::uint8_t*>(mapped), size};
    }
    ~StateFile() { ::munmap(memory.data(), memory.size()); }
    StateFile(const StateFile&) = delete;
    StateFile& operator=(const StateFile&) = delete;

    void begin(std::uint8_t boot) const {
        authz::State state(memory);
        (void)state.begin_boot({boot}, Now::read(), std::chrono::seconds(60), {});
        state.raise_high_slot(1234);
        state.header().horizon_boot = 0; // over, so that a copy can be clean
    }
    const authz::StateImage& image() const { return *reinterpret_cast<const authz::StateImage*>(memory.data()); }
    std::string copy(bool clean) const {
        const auto* entries = reinterpret_cast<const authz::ReplayEntry*>(memory.data() + sizeof(authz::StateImage));
        return authz::save_state(image(), {entries, kEntries}, Now::read(), clean);
    }
};

Setup sound_setup() {
    Setup setup;
    setup.uid = kUid;
    setup.gid = kGid;
    setup.replay_entries = kEntries;
    setup.boot_id = {1};
    setup.skew = 60;
    return setup;
}

// A worker that got this message and these descriptors: its answer, and how it ends when the channel closes.
struct Started {
    std::optional<Ready> ready;
    int code = -1;
};
Started start(const Setup& setup, const std::vector<int>& fds) {
    Child child = spawn_child(XK_WORKER).value();
    REQUIRE(send(child.channel, setup, fds));
    pollfd there{child.channel.fd(), POLLIN, 0};
    ::poll(&there, 1, 10'000);
    Started started;
    if (const auto received = child.channel.receive(false).value())
        started.ready = as<Ready>(*received);
    { const Channel closed = std::move(child.channel); }
    int status = 0;
    REQUIRE(::waitpid(child.pid, &status, 0) == child.pid);
    started.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return started;
}

constexpr int kBug = static_cast<int>(Exit::bug);

} // namespace

TEST_CASE("the worker begins, goes on, or takes over, as the state that it finds allows") {
    const Ring ring;
    const auto begins = [&](const StateFile& state, const Setup& setup, std::vector<int> more = {}) {
        std::vector<int> fds = {ring.fd(), state.fd.get()};
        fds.insert(fds.end(), more.begin(), more.end());
        const Started started = start(setup, fds);
        CHECK(started.code == 0);
        return started.ready.value();
    };
    const auto as_number = [](authz::State::Begin begin) { return static_cast<std::uint32_t>(begin); };
    StateFile fresh, earlier;
    CHECK(begins(fresh, sound_setup()).begin == as_number(authz::State::Begin::from_nothing));
    CHECK(authz::State(fresh.memory).is_of({1}));
    CHECK(begins(fresh, sound_setup()).begin == kResumed);

    earlier.begin(2);
    Setup with_copy = sound_setup();
    with_copy.has_copy = 1;
    for (const bool clean : {true, false}) {
        const StateFile state;
        const Fd copy = file_with(earlier.copy(clean));
        CHECK(begins(state, with_copy, {copy.get()}).begin ==
              as_number(clean ? authz::State::Begin::from_clean_copy : authz::State::Begin::from_copy));
        CHECK(state.image().header.high_slot == 1234);
    }
    const StateFile without;
    const Fd empty = file_with("", 0);
    CHECK(begins(without, with_copy, {empty.get()}).begin == as_number(authz::State::Begin::from_nothing));
    const StateFile untouched;
    std::string text = earlier.copy(true);
    text[text.size() / 2] ^= 1;
    const Fd damaged = file_with(text);
    const Ready refused = begins(untouched, with_copy, {damaged.get()});
    CHECK(refused.begin == kUnreadable);
    CHECK(refused.fit == static_cast<std::uint32_t>(authz::StateFit::damaged));
    CHECK_FALSE(authz::State(untouched.memory).is_of({1}));

    Setup with_previous = sound_setup();
    with_previous.has_previous = 1;
    StateFile of_this_boot;
    of_this_boot.begin(1);
    const StateFile taken, not_taken;
    const Ready over = begins(taken, with_previous, {of_this_boot.fd.get()});
    CHECK(over.begin == kTakenOver);
    CHECK(over.fit == static_cast<std::uint32_t>(authz::StateFit::whole));
    CHECK(taken.image().header.high_slot == 1234);
    const Ready other = begins(not_taken, with_previous, {earlier.fd.get()});
    CHECK(other.begin == kUnreadable);
    CHECK(other.fit == static_cast<std::uint32_t>(authz::StateFit::other_boot));
}

TEST_CASE("a first message that makes no sense ends the worker") {
    const Ring ring;
    const StateFile state;
    const std::vector<int> both = {ring.fd(), state.fd.get()};
    const auto code = [&](auto Setup::*field, std::uint64_t value, const std::vector<int>& fds) {
        Setup setup = sound_setup();
        setup.*field = static_cast<std::remove_reference_t<decltype(setup.*field)>>(value);
        const Started started = start(setup, fds);
        CHECK_FALSE(started.ready);
        return started.code;
    };
    CHECK(code(&Setup::replay_entries, 0, both) == kBug);
    CHECK(code(&Setup::replay_entries, authz::kMostReplayEntries + 1, both) == kBug);
    CHECK(code(&Setup::has_copy, 2, {both[0], both[1], both[1], both[1]}) == kBug);
    CHECK(code(&Setup::has_previous, 2, {both[0], both[1], both[1], both[1]}) == kBug);
    CHECK(code(&Setup::has_copy, 1, both) == kBug);
    CHECK(code(&Setup::has_previous, 1, both) == kBug);
    CHECK(code(&Setup::has_copy, 0, {both[0], both[1], both[1]}) == kBug);
    CHECK(code(&Setup::type, static_cast<std::uint64_t>(Type::ping), both) == kBug);
}

TEST_CASE("the smallest and the largest memory are taken") {
    const Ring ring;
    for (const std::uint64_t entries : {std::uint64_t{1}, std::uint64_t{authz::kMostReplayEntries}}) {
        const Fd state(::memfd_create("xk-test-state", MFD_CLOEXEC));
        REQUIRE(::ftruncate(state.get(), static_cast<off_t>(authz::state_size(entries))) == 0);
        Setup setup = sound_setup();
        setup.replay_entries = entries;
        const Started started = start(setup, {ring.fd(), state.get()});
        CHECK(started.ready.has_value());
        CHECK(started.code == 0);
    }
}

TEST_CASE("what the worker cannot open ends it with an error") {
    const Ring ring;
    const StateFile state;
    const WorkerLog log;
    const int failed = static_cast<int>(Exit::failed);
    const auto fails = [&](const Setup& setup, const std::vector<int>& fds, const std::string& message) {
        const Started started = start(setup, fds);
        CAPTURE(log.text());
        CHECK_FALSE(started.ready);
        CHECK(started.code == failed);
        CHECK(log.has(message));
    };
    const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC)), directory(::open("/", O_RDONLY | O_CLOEXEC));
    fails(sound_setup(), {null.get(), state.fd.get()}, "ring");
    fails(sound_setup(), {ring.fd(), null.get()}, "mapping the state");
    Setup setup = sound_setup();
    setup.has_copy = 1;
    fails(setup, {ring.fd(), state.fd.get(), directory.get()}, "reading the copy of the state");
    setup.has_copy = 0;
    setup.has_previous = 1;
    fails(setup, {ring.fd(), state.fd.get(), null.get()}, "mapping the earlier state");
    // The largest copy that there may be, and a larger one.
    for (const std::size_t more : {4096u, 4097u}) {
        const Fd large(::memfd_create("xk-test-copy", MFD_CLOEXEC));
        REQUIRE(::ftruncate(large.get(), static_cast<off_t>(authz::state_size(authz::kMostReplayEntries) + more)) == 0);
        setup.has_copy = 1;
        setup.has_previous = 0;
        if (more == 4097) {
            fails(setup, {ring.fd(), state.fd.get(), large.get()}, "the copy of the state is too large");
        } else {
            const Started started = start(setup, {ring.fd(), state.fd.get(), large.get()});
            CHECK(started.ready.value().begin == kUnreadable); // zeros
        }
    }
    setup = sound_setup();
    struct flock held {};
    held.l_type = F_WRLCK;
    held.l_whence = SEEK_SET;
    REQUIRE(::fcntl(state.fd.get(), F_SETLK, &held) == 0);
    fails(setup, {ring.fd(), state.fd.get()}, "another worker holds the state");
    held.l_start = static_cast<off_t>(state.memory.size()) - 1; // of any byte
    held.l_len = 1;
    struct flock none {};
    none.l_type = F_UNLCK;
    none.l_whence = SEEK_SET;
    REQUIRE(::fcntl(state.fd.get(), F_SETLK, &none) == 0);
    REQUIRE(::fcntl(state.fd.get(), F_SETLK, &held) == 0);
    fails(setup, {ring.fd(), state.fd.get()}, "another worker holds the state");
    REQUIRE(::fcntl(state.fd.get(), F_SETLK, &none) == 0);
    CHECK(start(setup, {ring.fd(), state.fd.get()}).code == 0);
}

TEST_CASE("a worker whose channel closes before its first message ends without a word") {
    Child child = spawn_child(XK_WORKER).value();
    { const Channel closed = std::move(child.channel); }
    int status = 0;
    REQUIRE(::waitpid(child.pid, &status, 0) == child.pid);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

TEST_CASE("the worker says whether it could lock its keys in memory") {
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_MEMLOCK, &before) == 0);
    for (const bool may : {true, false}) {
        const rlimit limit{may ? before.rlim_max : 0, before.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
        TestWorker w(20);
        REQUIRE(::setrlimit(RLIMIT_MEMLOCK, &before) == 0);
#if defined(XK_SANITIZED)
        CHECK(w.begin().unlocked_memory == 0); // the sanitizer's mlock(2) does nothing and never fails
#else
        CHECK(w.begin().unlocked_memory == (may ? 0 : 1));
#endif
    }
}

TEST_CASE("the worker ignores the signals that a terminal sends to all of its processes") {
    TestWorker w(0);
    for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP})
        REQUIRE(::kill(w.worker.pid, signal) == 0);
    Ping ping;
    ping.number = 3;
    REQUIRE(send(w.worker.channel, ping));
    CHECK(w.next<Pong>()->number == 3);
}
