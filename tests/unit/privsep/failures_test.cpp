// SPDX-License-Identifier: MIT
//
// System calls that fail: each step ends with an error that names it.
#include "daemon/privsep/policy_file.h"
#include "daemon/privsep/privileges.h"
#include "daemon/privsep/sandbox.h"
#include "daemon/privsep/spawn.h"
#include "tests/unit/recording/failing_calls.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <string>
#include <vector>

using namespace xk;
using namespace xk::test;

namespace {

constexpr uid_t kUid = 62022;
constexpr gid_t kGid = 62023;

// What a step says in a child in which these calls fail; "" where it succeeds.
std::string error_of(const std::function<Result<void>()>& step, const std::vector<FailingCall>& calls) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        for (const FailingCall& call : calls)
            if (!make_fail(call))
                ::_exit(2);
        const auto done = step();
        const std::string text = done ? "" : done.error().message;
        ::_exit(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 1);
    }
    ::close(ends[1]);
    std::string text(1024, '\0');
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, ::read(ends[0], text.data(), text.size()))));
    ::close(ends[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
    return text;
}

FailingCall prctl_of(int option) { return {SYS_prctl, EPERM, {{0, static_cast<std::uint32_t>(option)}}}; }

struct Failure {
    std::vector<FailingCall> calls;
    std::string message; // how it begins
};

void check_failures(const std::function<Result<void>()>& step, const std::vector<Failure>& failures) {
    for (const Failure& failure : failures) {
        CAPTURE(failure.message);
        const std::string got = error_of(step, failure.calls);
        CAPTURE(got);
        CHECK(got.starts_with(failure.message + ": "));
    }
}

const std::vector<Failure> kEnds = {
    {{{SYS_setgroups, EPERM}}, "becoming user " + std::to_string(kUid)},
    {{{SYS_setresgid, EPERM}}, "becoming user " + std::to_string(kUid)},
    {{{SYS_setresuid, EPERM}}, "becoming user " + std::to_string(kUid)},
    {{{SYS_capget, EPERM}}, "reading our capabilities"},
    {{{SYS_capset, EPERM}}, "dropping capabilities"},
    {{prctl_of(PR_CAP_AMBIENT)}, "dropping capabilities"},
    {{{SYS_prlimit64, EPERM}}, "forbidding core dumps"},
    {{prctl_of(PR_SET_DUMPABLE)}, "forbidding core dumps"},
    {{prctl_of(PR_SET_NO_NEW_PRIVS)}, "giving up new privileges"},
};

} // namespace

TEST_CASE("xknockd does not go on where it cannot give up a privilege") {
    for (const bool dispatcher : {false, true}) {
        const auto keep = [dispatcher] { return privsep::keep_capabilities(kUid, kGid, dispatcher); };
        CHECK(error_of(keep, {}) == "");
        check_failures(keep, kEnds);
        check_failures(keep, {{{prctl_of(PR_SET_KEEPCAPS)}, "keeping capabilities"}});
    }
    check_failures(
        [] { return privsep::drop_dispatcher_capabilities(); },
        {{{{SYS_capget, EPERM}}, "reading our capabilities"}, {{{SYS_capset, EPERM}}, "dropping capabilities"}});
    check_failures([] { return privsep::check_capabilities(); }, {{{{SYS_capget, EPERM}}, "reading our capabilities"}});
    CHECK(error_of([] { return privsep::check_capabilities(); }, {prctl_of(PR_CAPBSET_READ)}) ==
          "this kernel is too old: it does not know CAP_BPF");
}

TEST_CASE("the worker does not go on where it cannot give up a privilege") {
    const auto become = [] { return privsep::become_nobody(kUid, kGid); };
    CHECK(error_of(become, {}) == "");
    check_failures(become, kEnds);
}

TEST_CASE("the sandbox is not entered where one of its walls cannot be made") {
    // The filter kills who writes to a pipe, so only failures are looked at here.
    const auto enter = [] { return privsep::enter_sandbox(kUid, kGid); };
    const std::string limits = "limiting the worker's memory and descriptors";
    check_failures(enter, {{{{SYS_prlimit64, EPERM, {{1, RLIMIT_AS}}}}, limits},
                           {{{SYS_prlimit64, EPERM, {{1, RLIMIT_NOFILE}}}}, limits},
                           {{{SYS_setresuid, EPERM}}, "becoming user " + std::to_string(kUid)},
                           {{{SYS_seccomp, EPERM, {{0, SECCOMP_SET_MODE_FILTER}}}}, "loading the system call filter"}});
    CHECK(error_of(enter, {{SYS_seccomp, EPERM}, prctl_of(PR_SET_SECCOMP)}) == "making the system call filter failed");
#if !defined(XK_SANITIZED)
    check_failures(enter, {{{{SYS_openat, ENOENT}}, "reading /proc/self/statm"}});
#endif
}

TEST_CASE("a child begins with its channel and with nothing of our signals, input and output") {
    // It reads its standard input, finds the end of /dev/null, and ends.
    auto child = privsep::spawn_child("/bin/cat", "cat").value();
    CHECK((::fcntl(child.channel.fd(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK((::fcntl(child.channel.fd(), F_GETFD) & FD_CLOEXEC) != 0);
    int status = 0;
    REQUIRE(::waitpid(child.pid, &status, 0) == child.pid);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
    CHECK_FALSE(child.channel.receive(false).value());
    CHECK(child.channel.closed());
}

TEST_CASE("a child that cannot be started is an error that names it") {
    const auto start = [](const char* program) {
        return [program] {
            auto child = privsep::spawn_child(program, "cat");
            return child ? Result<void>() : Result<void>(child.error());
        };
    };
    check_failures(start("/nowhere/cat"), {{{}, "starting \"/nowhere/cat\""}});
    check_failures(start("/bin/cat"), {{{{SYS_socketpair, EMFILE}}, "making the channel to the worker"},
                                       {{{SYS_fcntl, EPERM, {{1, F_SETFL}}}}, "setting up the channel to cat"}});
}

namespace {

authz::PolicyChange sound_change() {
    authz::PolicyChange change;
    change.places = 7;
    change.services.resize(2);
    change.services[1].name = authz::Name("ssh");
    change.changed.resize(3);
    for (std::uint32_t i = 0; i < change.changed.size(); ++i) {
        change.changed[i].place = i;
        change.changed[i].credential.id = {1, static_cast<std::uint8_t>(i)};
    }
    change.emptied = {4, 5};
    return change;
}

} // namespace

TEST_CASE("a change of the policy is read as it was written") {
    const authz::PolicyChange change = sound_change();
    const auto file = privsep::write_policy_file(change).value();
    const auto read = privsep::read_policy_file(file.message, file.file);
    REQUIRE_MESSAGE(read, read.error().message);
    CHECK(read->places == 7);
    CHECK(read->settings == change.settings);
    REQUIRE(read->services.size() == 2);
    CHECK(read->services[1].name.view() == "ssh");
    REQUIRE(read->changed.size() == 3);
    CHECK(read->changed[2].place == 2);
    CHECK(read->changed[2].credential.id == wire::CredentialId{1, 2});
    CHECK(read->emptied == std::vector<std::uint32_t>{4, 5});
    CHECK(::fcntl(file.file.get(), F_GET_SEALS) == (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL));
}

TEST_CASE("a change of the policy that is cut, or has more parts than there may be, is refused") {
    const auto read = [](auto privsep::NewPolicy::*number, std::uint32_t value) {
        auto file = privsep::write_policy_file(sound_change()).value();
        file.message.*number = value;
        const auto change = privsep::read_policy_file(file.message, file.file);
        return change ? std::string() : change.error().message;
    };
    const std::string senseless = "a configuration from xknockd makes no sense",
                      cut = "a configuration from xknockd is cut";
    CHECK(read(&privsep::NewPolicy::places, 7) == "");
    CHECK(read(&privsep::NewPolicy::services, authz::kMaxServices + 1) == senseless);
    CHECK(read(&privsep::NewPolicy::services, authz::kMaxServices) == cut);
    CHECK(read(&privsep::NewPolicy::changed, authz::kMaxCredentials + 1) == senseless);
    CHECK(read(&privsep::NewPolicy::changed, authz::kMaxCredentials) == cut);
    CHECK(read(&privsep::NewPolicy::emptied, authz::kMaxCredentials + 1) == senseless);
    CHECK(read(&privsep::NewPolicy::emptied, authz::kMaxCredentials) == cut);
    CHECK(read(&privsep::NewPolicy::emptied, 3) == cut);
    CHECK(read(&privsep::NewPolicy::places, 5) == senseless); // a place that is emptied is beyond them
}

TEST_CASE("a change of the policy that cannot be written or read is an error") {
    const auto write = [] {
        auto file = privsep::write_policy_file(sound_change());
        return file ? Result<void>() : Result<void>(file.error());
    };
    check_failures(write, {{{{SYS_memfd_create, ENOSYS}}, "making a memory file"},
                           {{{SYS_fcntl, EPERM, {{1, F_ADD_SEALS}}}}, "writing a memory file"},
                           {{{SYS_lseek, EIO}}, "writing a memory file"}});
    for (const std::size_t part : {0u, 1u, 2u}) {
        CAPTURE(part);
        std::string message;
        with_failing_call(
            {SYS_write,
             EIO,
             {{2, static_cast<std::uint32_t>(std::array{2 * sizeof(authz::Service), 3 * sizeof(authz::PlacedCredential),
                                                        2 * sizeof(std::uint32_t)}[part])}}},
            [&] { message = privsep::write_policy_file(sound_change()).error().message; });
        CHECK(message == "writing a memory file: Input/output error");
    }
    const auto file = privsep::write_policy_file(sound_change()).value();
    bool refused = false;
    with_failing_call({SYS_read, EIO}, [&] { refused = !privsep::read_policy_file(file.message, file.file); });
    CHECK(refused);
}
