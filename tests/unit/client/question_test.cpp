// SPDX-License-Identifier: MIT
#include "client/question.h"

#include "client/prompt_lock.h"
#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

using namespace xk;
using namespace xk::client;
using namespace std::chrono_literals;

namespace {

constexpr int kLooks = 2000; // of 5 ms, for a test that fails

bool never(std::chrono::milliseconds time) {
    ::poll(nullptr, 0, static_cast<int>(time.count()));
    return false;
}

// A terminal, and a process of it that asks. It exits with 10 + the kind of the answer, or 20 for an error.
class Asker {
  public:
    explicit Asker(Opened opened = never, const std::string& lock = "prompt-test") {
        REQUIRE(::openpty(&person_, &tty_, nullptr, nullptr, nullptr) == 0);
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        from_leader_ = ends[0];
        leader_ = ::fork();
        if (leader_ == 0)
            lead(ends[1], opened, lock);
        ::close(ends[1]);
        REQUIRE(::read(from_leader_, &pid_, sizeof pid_) == sizeof pid_);
    }
    ~Asker() {
        ::kill(leader_, SIGKILL); // the terminal hangs up, and so the asker ends
        ::waitpid(leader_, nullptr, 0);
        ::close(from_leader_);
        ::close(person_);
        ::close(tty_);
    }
    bool shows(const std::string& text) {
        for (int i = 0; i < kLooks && shown_.find(text) == std::string::npos; ++i) {
            pollfd ready{person_, POLLIN, 0};
            char chunk[256];
            ssize_t n = 0;
            if (::poll(&ready, 1, 5) > 0 && (n = ::read(person_, chunk, sizeof chunk)) > 0)
                shown_.append(chunk, static_cast<std::size_t>(n));
        }
        return shown_.find(text) != std::string::npos;
    }
    bool has_echo() const {
        termios now{};
        return ::tcgetattr(tty_, &now) == 0 && (now.c_lflag & ECHO) != 0;
    }
    bool gets_echo() const {
        for (int i = 0; i < kLooks && !has_echo(); ++i)
            ::poll(nullptr, 0, 5);
        return has_echo();
    }
    void type(const std::string& text) { REQUIRE(::write(person_, text.data(), text.size()) > 0); }
    void send(int signal) { REQUIRE(::kill(pid_, signal) == 0); }
    int wait() {
        int status = -1;
        REQUIRE(::read(from_leader_, &status, sizeof status) == sizeof status);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    const std::string& shown() const { return shown_; }

  private:
    // A terminal hangs up when its leader ends, so the asker is the leader's child.
    [[noreturn]] void lead(int to_test, const Opened& opened, const std::string& lock) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL); // with the test, however it ends
        ::setsid();
        ::ioctl(tty_, TIOCSCTTY, 0);
        const pid_t asker = ::fork();
        if (asker == 0)
            ask(opened, lock);
        int status = 0;
        (void)!::write(to_test, &asker, sizeof asker);
        ::waitpid(asker, &status, WUNTRACED); // one that stopped is told too
        (void)!::write(to_test, &status, sizeof status);
        for (;;)
            ::pause();
    }
    [[noreturn]] void ask(const Opened& opened, const std::string& lock) {
        PromptLock prompt(lock);
        if (prompt.take() != Taken::by_us)
            ::_exit(30);
        const auto answer = ask_on_terminal(tty_, "Code for x: ", opened);
        ::_exit(!answer ? 20 : answer->kind == Answer::text && answer->code != "123456" ? 21 : 10 + answer->kind);
    }

    int person_ = -1, tty_ = -1, from_leader_ = -1;
    pid_t leader_ = -1, pid_ = -1;
    std::string shown_;
};

// The locks lie in a directory of the test's own.
struct OwnRuntime {
    OwnRuntime() { ::setenv("XDG_RUNTIME_DIR", directory.path().c_str(), 1); }
    ~OwnRuntime() { ::unsetenv("XDG_RUNTIME_DIR"); }
    test::TemporaryDirectory directory;
};

} // namespace

TEST_CASE("a code is read without echo, and the terminal is as it was") {
    const OwnRuntime runtime;
    Asker asker;
    REQUIRE(asker.shows("Code for x: "));
    CHECK_FALSE(asker.has_echo());
    asker.type("123456\n");
    CHECK(asker.wait() == 10 + Answer::text);
    CHECK(asker.has_echo());
    CHECK(asker.shown().find("123456") == std::string::npos);
}

TEST_CASE("an asker that is killed leaves the echo on, and its lock to others behind that") {
    const OwnRuntime runtime;
    Asker asker;
    REQUIRE(asker.shows("Code for x: "));
    REQUIRE_FALSE(asker.has_echo());
    PromptLock other("prompt-test");
    CHECK(other.take() == Taken::by_another);
    asker.send(SIGKILL);
    asker.wait();
    for (int i = 0; i < kLooks && other.take() != Taken::by_us; ++i)
        ::poll(nullptr, 0, 1);
    const bool had_echo = asker.has_echo();
    CHECK(other.take() == Taken::by_us);
    CHECK(had_echo);
}

TEST_CASE("signals that end or stop the asker put the echo back") {
    const OwnRuntime runtime;
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP}) {
        Asker asker;
        REQUIRE(asker.shows("Code for x: "));
        asker.send(signal);
        CHECK(asker.wait() == (signal == SIGTSTP ? 10 + Answer::stopped : 20));
        CHECK(asker.has_echo());
    }
}

TEST_CASE("the question goes away when the port opens meanwhile") {
    const OwnRuntime runtime;
    int looks = 0; // the asker's
    Asker asker([&](std::chrono::milliseconds time) { return never(time) || ++looks == 3; });
    CHECK(asker.shows("Code for x: \r\x1b[K"));
    CHECK(asker.wait() == 10 + Answer::opened);
    CHECK(asker.gets_echo());
}

TEST_CASE("a lock lies in no directory that others can write") {
    const OwnRuntime runtime;
    const std::string home = std::getenv("HOME") == nullptr ? "" : std::getenv("HOME");
    ::setenv("HOME", "", 1);
    ::unsetenv("XDG_STATE_HOME");
    REQUIRE(::mkdir((runtime.directory.path() + "/xknock").c_str(), 0700) == 0);
    REQUIRE(::chmod((runtime.directory.path() + "/xknock").c_str(), 0777) == 0);
    CHECK(PromptLock("prompt-test").take() == Taken::impossible);
    REQUIRE(::chmod((runtime.directory.path() + "/xknock").c_str(), 0700) == 0);
    CHECK(PromptLock("prompt-test").take() == Taken::by_us);
    ::setenv("HOME", home.c_str(), 1);
}

TEST_CASE("the program of SSH_ASKPASS is asked where ssh would ask it") {
    for (const char* name : {"DISPLAY", "WAYLAND_DISPLAY", "SSH_ASKPASS_REQUIRE"})
        ::unsetenv(name);
    ::setenv("SSH_ASKPASS", "/a/program", 1);
    CHECK_FALSE(askpass_program(false).has_value());
    for (const char* display : {"DISPLAY", "WAYLAND_DISPLAY"}) {
        ::setenv(display, ":1", 1);
        CHECK(askpass_program(false) == "/a/program");
        CHECK_FALSE(askpass_program(true).has_value());
        ::setenv("SSH_ASKPASS_REQUIRE", "prefer", 1);
        CHECK(askpass_program(true) == "/a/program");
        ::setenv("SSH_ASKPASS_REQUIRE", "never", 1);
        CHECK_FALSE(askpass_program(false).has_value());
        ::unsetenv("SSH_ASKPASS_REQUIRE");
        ::unsetenv(display);
    }
    ::setenv("SSH_ASKPASS_REQUIRE", "prefer", 1);
    CHECK_FALSE(askpass_program(false).has_value());
    ::setenv("SSH_ASKPASS_REQUIRE", "Force", 1);
    CHECK(askpass_program(true) == "/a/program");
    ::unsetenv("SSH_ASKPASS_REQUIRE");
    ::unsetenv("SSH_ASKPASS");
}
