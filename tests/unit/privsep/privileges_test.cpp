// SPDX-License-Identifier: MIT
//
// Users and capabilities after each step, by the kernel's own word: a child takes the steps and reads its
// /proc/self/status. Root with the capabilities of a unit.
#include "daemon/privsep/privileges.h"

#include <doctest/doctest.h>

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <functional>
#include <string>
#include <type_traits>

using namespace xk;

namespace {

constexpr uid_t kUid = 62012;
constexpr gid_t kGid = 62013;
constexpr std::uint64_t bit(int capability) { return std::uint64_t{1} << capability; }
constexpr std::uint64_t kKept = bit(CAP_NET_ADMIN) | bit(CAP_BPF) | bit(CAP_PERFMON);
constexpr std::uint64_t kOfDispatcher = bit(CAP_SYS_ADMIN) | bit(CAP_DAC_OVERRIDE);

std::string status_line(const std::string& key) {
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);)
        if (line.starts_with(key + ":\t")) {
            line.erase(0, key.size() + 2);
            line.erase(line.find_last_not_of(' ') + 1);
            return line;
        }
    return "(no " + key + ")";
}
std::uint64_t capabilities(const std::string& set) { return std::stoull(status_line(set), nullptr, 16); }

// Runs the checks in a child: each of them that fails is a line.
class Checks {
  public:
    void that(bool holds, const std::string& what) {
        if (!holds)
            faults_ += what + "\n";
    }
    template <typename T, typename U>
    void equal(const T& got, const U& wanted, const std::string& what) {
        if (!(got == wanted)) {
            faults_ += what;
            if constexpr (std::is_convertible_v<T, std::string>)
                faults_ += ": " + std::string(got);
            else
                faults_ += ": " + std::to_string(got);
            faults_ += "\n";
        }
    }
    const std::string& faults() const { return faults_; }

  private:
    std::string faults_;
};

std::string faults_in_child(const std::function<void(Checks&)>& steps) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        Checks checks;
        const gid_t groups[] = {kGid + 1, kGid + 2};
        checks.equal(::setgroups(2, groups), 0, "setgroups");
        steps(checks);
        const std::string& text = checks.faults();
        ::_exit(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 1);
    }
    ::close(ends[1]);
    std::string text;
    std::array<char, 1024> chunk{};
    for (ssize_t n; (n = ::read(ends[0], chunk.data(), chunk.size())) > 0;)
        text.append(chunk.data(), static_cast<std::size_t>(n));
    ::close(ends[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
    return text;
}

void check_user(Checks& c) {
    const std::string uid = std::to_string(kUid), gid = std::to_string(kGid);
    c.equal(status_line("Uid"), uid + "\t" + uid + "\t" + uid + "\t" + uid, "user");
    c.equal(status_line("Gid"), gid + "\t" + gid + "\t" + gid + "\t" + gid, "group");
    c.equal(status_line("Groups"), std::string(), "supplementary groups");
}
void check_sets(Checks& c, std::uint64_t permitted, std::uint64_t effective) {
    c.equal(capabilities("CapPrm"), permitted, "permitted");
    c.equal(capabilities("CapEff"), effective, "effective");
    for (const char* empty : {"CapInh", "CapAmb", "CapBnd"})
        c.equal(capabilities(empty), std::uint64_t{0}, empty);
}
void check_closed(Checks& c) {
    c.equal(status_line("NoNewPrivs"), std::string("1"), "no_new_privs");
    c.equal(::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0, "dumpable");
    rlimit core{1, 1};
    ::getrlimit(RLIMIT_CORE, &core);
    c.that(core.rlim_cur == 0 && core.rlim_max == 0, "core dumps are possible");
}

} // namespace

TEST_CASE("xknockd keeps three capabilities under its own user, and no way back") {
    CHECK(faults_in_child([](Checks& c) {
              c.that(privsep::check_capabilities().has_value(), "root lacks what xknockd needs");
              c.that(privsep::keep_capabilities(kUid, kGid, false).has_value(), "keep_capabilities");
              check_user(c);
              check_sets(c, kKept, kKept);
              check_closed(c);
              c.that(privsep::check_capabilities().has_value(), "it lacks what xknockd needs");
              // A unit begins as this user already, and the kernel changes nothing by itself then.
              c.equal(::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0, "PR_SET_DUMPABLE");
              c.that(privsep::keep_capabilities(kUid, kGid, false).has_value(), "again");
              check_user(c);
              check_sets(c, kKept, kKept);
              check_closed(c);
          }) == "");
}

TEST_CASE("for libxdp's dispatcher xknockd keeps two more, not in effect, and can drop them") {
    CHECK(faults_in_child([](Checks& c) {
              c.that(privsep::keep_capabilities(kUid, kGid, true).has_value(), "keep_capabilities");
              check_user(c);
              check_sets(c, kKept | kOfDispatcher, kKept);
              check_closed(c);
              c.that(privsep::drop_dispatcher_capabilities().has_value(), "drop_dispatcher_capabilities");
              check_sets(c, kKept, kKept);
          }) == "");
}

TEST_CASE("the worker keeps no capability, and a missing one is named") {
    CHECK(faults_in_child([](Checks& c) {
              c.that(privsep::become_nobody(kUid, kGid).has_value(), "become_nobody");
              check_user(c);
              check_sets(c, 0, 0);
              check_closed(c);
              const auto missing = privsep::check_capabilities();
              c.that(!missing.has_value(), "nothing is missing");
              c.equal(missing ? "" : missing.error().message,
                      std::string("the process lacks CAP_NET_ADMIN and CAP_BPF"), "message");
              c.that(!privsep::become_nobody(kUid + 1, kGid).has_value(), "it becomes another user");
          }) == "");
}

TEST_CASE("of two capabilities only the missing one is named") {
    for (const int kept : {CAP_NET_ADMIN, CAP_BPF})
        CHECK(faults_in_child([kept](Checks& c) {
                  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
                  __user_cap_data_struct data[2]{};
                  data[kept / 32].permitted = data[kept / 32].effective = 1u << kept % 32;
                  c.equal(::syscall(SYS_capset, &header, data), 0, "capset");
                  const auto missing = privsep::check_capabilities();
                  c.equal(missing ? "" : missing.error().message,
                          std::string("the process lacks ") + (kept == CAP_BPF ? "CAP_NET_ADMIN" : "CAP_BPF"),
                          "message");
              }) == "");
}

namespace {

// Takes capabilities away from all sets of this child.
void give_up(Checks& c, std::initializer_list<int> gone) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    c.equal(::syscall(SYS_capget, &header, data), 0, "capget");
    for (const int capability : gone)
        for (auto* set : {&data[capability / 32].permitted, &data[capability / 32].effective})
            *set &= ~(1u << capability % 32);
    c.equal(::syscall(SYS_capset, &header, data), 0, "capset");
}

} // namespace

TEST_CASE("what a process does not have is not kept, and is no error") {
    for (const bool dispatcher : {false, true})
        CHECK(faults_in_child([dispatcher](Checks& c) {
                  give_up(c, {CAP_PERFMON, CAP_SYS_ADMIN, CAP_DAC_OVERRIDE});
                  c.that(privsep::keep_capabilities(kUid, kGid, dispatcher).has_value(), "keep_capabilities");
                  check_user(c);
                  check_sets(c, kKept & ~bit(CAP_PERFMON), kKept & ~bit(CAP_PERFMON));
                  check_closed(c);
              }) == "");
}

TEST_CASE("a unit without CAP_SETPCAP keeps its bounding set, and loses everything else") {
    for (const bool worker : {false, true})
        CHECK(faults_in_child([worker](Checks& c) {
                  give_up(c, {CAP_SETPCAP});
                  const auto done =
                      worker ? privsep::become_nobody(kUid, kGid) : privsep::keep_capabilities(kUid, kGid, false);
                  c.that(done.has_value(), "giving up privileges");
                  check_user(c);
                  c.equal(capabilities("CapPrm"), worker ? 0 : kKept, "permitted");
                  c.equal(capabilities("CapEff"), worker ? 0 : kKept, "effective");
                  check_closed(c);
              }) == "");
}
