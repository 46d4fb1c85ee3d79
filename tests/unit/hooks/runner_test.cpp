// SPDX-License-Identifier: MIT
//
// xknock-hooks as it is, but for its main(): supervisor and runner as processes of another user, and real programs as
// hooks, which write what they see into a directory of the test's. Changes its user: root.
#include "daemon/hooks/request.h"
#include "daemon/hooks/runner.h"
#include "daemon/hooks/supervisor.h"
#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

using namespace xk;
using namespace xk::hooks;
using privsep::Channel;

namespace {

constexpr uid_t kUid = 62004;
constexpr gid_t kGid = 62005;

bool eventually(const std::function<bool()>& done) {
    for (int i = 0; i < 2000; ++i) {
        if (done())
            return true;
        ::poll(nullptr, 0, 10); // the bound is only for a test that fails
    }
    return false;
}

std::string read(const std::string& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

// Whether a process runs; one that nobody has reaped does not.
bool lives(pid_t pid) {
    const std::string status = read("/proc/" + std::to_string(pid) + "/status");
    return !status.empty() && status.find("State:\tZ") == std::string::npos;
}

pid_t child_of(pid_t pid) {
    const std::string number = std::to_string(pid);
    const std::string children = read("/proc/" + number + "/task/" + number + "/children");
    return children.empty() ? -1 : std::stoi(children);
}

struct Hooks {
    test::TemporaryDirectory itself;
    const std::string directory = itself.path();
    std::optional<Channel> ours;
    pid_t supervisor = -1;

    Hooks() {
        ::chmod(directory.c_str(), 0777);
        auto ends = Channel::pair().value();
        // No hook's business, and not close-on-exec.
        const Fd stray(::open("/dev/zero", O_RDONLY));
        supervisor = ::fork();
        REQUIRE(supervisor >= 0);
        if (supervisor == 0) {
            ends.first = Channel(Fd());
            ::dup2(stray.get(), STDIN_FILENO);
            for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP})
                std::signal(signal, SIG_IGN);
            ::_exit(set_up(ends.second) && supervise_runner(ends.second) ? 0 : 9);
        }
        ours.emplace(std::move(ends.first));
        Setup setup;
        setup.uid = kUid;
        setup.gid = kGid;
        REQUIRE(privsep::send(*ours, setup));
        const auto received = ours->receive(true).value();
        REQUIRE(received.has_value());
        REQUIRE(privsep::as<Ready>(*received).has_value());
    }
    ~Hooks() {
        ours.reset();
        ::kill(supervisor, SIGKILL);
        ::waitpid(supervisor, nullptr, 0);
    }
    Hooks(const Hooks&) = delete;
    Hooks& operator=(const Hooks&) = delete;

    std::string path(const std::string& name) const { return directory + "/" + name; }

    static Run request(const std::vector<std::string>& arguments, const std::string& user = "anna",
                       unsigned limit = 60) {
        Run run;
        run.lifetime = 30;
        run.time_limit = limit;
        run.subject = {authz::Name(user), authz::Name("laptop"), authz::Name("ssh"), Address::v4(192, 0, 2, 7)};
        run.arguments = static_cast<std::uint32_t>(arguments.size());
        char* at = run.text;
        for (const std::string& argument : arguments)
            at = std::copy_n(argument.c_str(), argument.size() + 1, at);
        return run;
    }
    void ask(const Run& run) const { REQUIRE(privsep::send(*ours, run)); }
    void shell(const std::string& script, const std::string& user = "anna", unsigned limit = 60) const {
        ask(request({"/bin/sh", "-c", "cd " + directory + "; " + script}, user, limit));
    }
    Report report() const {
        pollfd ready{ours->fd(), POLLIN, 0};
        ::poll(&ready, 1, 20'000);
        const auto received = ours->receive(false).value();
        REQUIRE(received.has_value());
        const auto report = privsep::as<Report>(*received);
        REQUIRE(report.has_value());
        return *report;
    }
    // What a hook that must succeed wrote into the file "out".
    std::string out_of(const std::vector<std::string>& arguments) const {
        ask(request(arguments));
        CHECK(report().outcome == Outcome::done);
        const std::string out = read(path("out"));
        std::filesystem::remove(path("out")); // cp(1) makes it as little writable as what it copies
        return out;
    }
    pid_t pid_in(const std::string& name) const {
        REQUIRE(eventually([&] { return read(path(name)).find('\n') != std::string::npos; }));
        return std::stoi(read(path(name)));
    }
};

// Starts something that outlives the shell and says its number, in the file `name`.
std::string sleeper(const std::string& name) { return "sleep 1000 2>&- & echo $! >" + name + "; "; }

} // namespace

TEST_CASE("arguments arrive as they were written: no shell reads them") {
    const Hooks hooks;
    CHECK(hooks.out_of({"/bin/sh", "-c", "printf '<%s>' \"$@\" >\"$0\"", hooks.path("out"), "a b", "$HOME", "'", "\"",
                        "*", "`id`", ";", "", "back\\slash", "new\nline"}) ==
          "<a b><$HOME><'><\"><*><`id`><;><><back\\slash><new\nline>");
}

TEST_CASE("the environment is what is documented, and nothing else") {
    const Hooks hooks;
    ::setenv("XKNOCK_VERBOSE", "1", 1);
    const std::string out = hooks.out_of({"/bin/cp", "/proc/self/environ", hooks.path("out")});
    std::string wanted;
    for (const char* line :
         {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "XKNOCK_EVENT=open", "XKNOCK_USER=anna",
          "XKNOCK_DEVICE=laptop", "XKNOCK_SOURCE=192.0.2.7", "XKNOCK_SERVICE=ssh", "XKNOCK_LIFETIME=30"})
        wanted += std::string(line) + '\0';
    CHECK(out == wanted);
    Run closing = Hooks::request({"/bin/true"});
    closing.event = Event::close;
    CHECK(environment_of(closing)[1] == "XKNOCK_EVENT=close");
}

TEST_CASE("a hook runs as its user with no other rights") {
    const Hooks hooks;
    const std::string status = hooks.out_of({"/bin/cp", "/proc/self/status", hooks.path("out")});
    for (const char* line :
         {"Uid:\t62004\t62004\t62004\t62004\n", "Gid:\t62005\t62005\t62005\t62005\n", "Groups:\t \n",
          "CapInh:\t0000000000000000\n", "CapPrm:\t0000000000000000\n", "CapEff:\t0000000000000000\n",
          "CapBnd:\t0000000000000000\n", "CapAmb:\t0000000000000000\n", "NoNewPrivs:\t1\n",
          "SigBlk:\t0000000000000000\n", "SigIgn:\t0000000000000000\n"})
        CHECK_MESSAGE(status.find(line) != std::string::npos, line);
    CHECK(hooks.out_of({"/bin/cp", "/proc/self/oom_score_adj", hooks.path("out")}) == "500\n");
    CHECK(hooks.out_of({"/bin/sh", "-c", "exec pwd >\"$0\"", hooks.path("out")}) == "/\n");
}

TEST_CASE("a hook inherits three descriptors of its own and no other one") {
    const Hooks hooks;
    // The fourth is of ls itself.
    CHECK(hooks.out_of({"/bin/sh", "-c", "exec ls /proc/self/fd >\"$0\"", hooks.path("out")}) == "0\n1\n2\n3\n");
    CHECK(hooks.out_of({"/bin/sh", "-c", "readlink /proc/$$/fd/0 /proc/$$/fd/1 | cat >\"$0\"", hooks.path("out")}) ==
          "/dev/null\n/dev/null\n");
}

TEST_CASE("a hook that hangs is killed at its limit, and all of its group with it") {
    const Hooks hooks;
    hooks.shell(sleeper("child") + "echo $$ >self; echo waiting >&2; sleep 1000", "anna", 1);
    const pid_t child = hooks.pid_in("child"), self = hooks.pid_in("self");
    const Report report = hooks.report();
    CHECK(report.outcome == Outcome::overdue);
    CHECK(std::string(report.says) == "waiting");
    CHECK(eventually([&] { return !lives(child) && !lives(self); }));
}

TEST_CASE("no process of its group outlives a hook") {
    const Hooks hooks;
    hooks.shell(sleeper("child"));
    const pid_t child = hooks.pid_in("child");
    CHECK(hooks.report().outcome == Outcome::done);
    CHECK(eventually([&] { return !lives(child); }));
}

TEST_CASE("a report has how the hook ended and the first line of its standard error") {
    const Hooks hooks;
    hooks.shell("echo out; echo 'one thing' >&2; echo another >&2; exit 3");
    Report report = hooks.report();
    CHECK(report.outcome == Outcome::failed);
    CHECK(report.code == 3);
    CHECK(std::string(report.says) == "one thing");
    CHECK(report.subject.user.view() == "anna");
    CHECK(report.subject.service.view() == "ssh");
    hooks.shell("kill -9 $$");
    report = hooks.report();
    CHECK(report.outcome == Outcome::killed);
    CHECK(report.code == SIGKILL);
    hooks.ask(Hooks::request({"/nowhere/at all"}));
    report = hooks.report();
    CHECK(report.outcome == Outcome::failed);
    CHECK(std::string(report.says) == "it cannot be run: No such file or directory");
    hooks.shell("head -c 1000000 /dev/zero | tr '\\0' x >&2"); // more than a pipe holds
    report = hooks.report();
    CHECK(report.outcome == Outcome::done);
    CHECK(std::string(report.says) == std::string(kMaxSays - 1, 'x'));
}

TEST_CASE("a few hooks run, more wait, and the rest are dropped and reported") {
    Hooks hooks;
    constexpr std::size_t kMany = kMaxRunning + kMaxWaiting + 20;
    for (std::size_t i = 0; i < kMany; ++i)
        hooks.shell("echo $$ >running." + std::to_string(i) + "; exec sleep 1000", "user" + std::to_string(i));
    for (int i = 0; i < 20; ++i)
        CHECK(hooks.report().outcome == Outcome::dropped);
    std::vector<pid_t> running;
    for (std::size_t i = 0; i < kMaxRunning; ++i)
        running.push_back(hooks.pid_in("running." + std::to_string(i)));
    CHECK_FALSE(std::filesystem::exists(hooks.path("running." + std::to_string(kMaxRunning))));
    CHECK_FALSE(hooks.ours->receive(false).value().has_value());
    ::kill(running[0], SIGKILL);
    CHECK(hooks.report().outcome == Outcome::killed);
    running.push_back(hooks.pid_in("running." + std::to_string(kMaxRunning)));

    hooks.ours.reset(); // xknockd ends
    for (const pid_t pid : running)
        CHECK(eventually([&] { return !lives(pid); }));
    int status = -1;
    REQUIRE(::waitpid(hooks.supervisor, &status, 0) == hooks.supervisor);
    CHECK(status == 0);
}

TEST_CASE("hooks of one subject run in order, and others do not wait for them") {
    const Hooks hooks;
    hooks.shell("until [ -e go ]; do sleep 0.01; done; echo open >>order");
    Run closing = Hooks::request({"/bin/sh", "-c", "echo close >>\"$0\"", hooks.path("order")});
    closing.event = Event::close;
    hooks.ask(closing);
    hooks.shell("true", "bob");
    Report report = hooks.report();
    CHECK(report.subject.user.view() == "bob");
    std::ofstream(hooks.path("go")) << "go";
    CHECK(hooks.report().event == Event::open);
    CHECK(hooks.report().event == Event::close);
    CHECK(read(hooks.path("order")) == "open\nclose\n");
}

TEST_CASE("the hooks of a killed runner end with it, and another runner goes on") {
    const Hooks hooks;
    hooks.shell(sleeper("child") + "echo $$ >self; sleep 1000");
    const pid_t child = hooks.pid_in("child"), self = hooks.pid_in("self");
    ::kill(child_of(hooks.supervisor), SIGKILL);
    const Report report = hooks.report();
    CHECK(report.outcome == Outcome::restarted);
    CHECK(report.code == SIGKILL);
    CHECK(eventually([&] { return !lives(self) && !lives(child); }));
    hooks.shell("true");
    CHECK(hooks.report().outcome == Outcome::done);
}

TEST_CASE("when the supervisor is killed, runner and hooks end, and the other side sees it") {
    const Hooks hooks;
    hooks.shell(sleeper("child") + "echo $$ >self; sleep 1000");
    const pid_t child = hooks.pid_in("child"), self = hooks.pid_in("self");
    const pid_t runner = child_of(hooks.supervisor);
    ::kill(hooks.supervisor, SIGKILL);
    CHECK(eventually([&] { return !lives(runner) && !lives(self) && !lives(child); }));
    CHECK_FALSE(hooks.ours->receive(true).value().has_value());
    CHECK(hooks.ours->closed());
}

TEST_CASE("a request whose text does not match its number of arguments is refused") {
    Run run = Hooks::request({"/bin/true", "x"});
    CHECK(arguments_of(run) == std::vector<std::string>{"/bin/true", "x"});
    run.arguments = 0;
    CHECK_FALSE(arguments_of(run).has_value());
    run.arguments = kMaxArguments + 1;
    CHECK_FALSE(arguments_of(run).has_value());
    run.arguments = 1;
    std::fill(std::begin(run.text), std::end(run.text), 'x');
    CHECK_FALSE(arguments_of(run).has_value());
}

TEST_CASE("a malformed set-up is refused before anything changes, and a malformed request ends its runner alone") {
    auto ends = Channel::pair().value();
    REQUIRE(privsep::send(ends.first, Run{}));
    const auto done = set_up(ends.second);
    REQUIRE_FALSE(done);
    CHECK(done.error().message == "xknockd sent a malformed set-up");
    ends.first = Channel(Fd());
    CHECK_FALSE(set_up(ends.second));
    CHECK(::geteuid() == 0);
    const Hooks hooks;
    Run bad = Hooks::request({"/bin/true"});
    bad.arguments = 0;
    hooks.ask(bad);
    CHECK(hooks.report().outcome == Outcome::restarted);
    hooks.shell("true");
    CHECK(hooks.report().outcome == Outcome::done);
}
