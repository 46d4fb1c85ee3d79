// SPDX-License-Identifier: MIT
//
// What a worker stores is whole or absent wherever it is killed: each store is made by a child that is stopped after
// every instruction, and its memory is looked at each time.
#include "fixtures.h"

#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <utility>

using namespace xk;
using namespace xk::test;

namespace {

// Memory that a child shares, all zero.
template <typename T>
class Shared {
  public:
    Shared() : memory_(::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
        REQUIRE(memory_ != MAP_FAILED);
    }
    ~Shared() { ::munmap(memory_, sizeof(T)); }
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;
    T& operator*() { return *static_cast<T*>(memory_); }
    T* operator->() { return static_cast<T*>(memory_); }

  private:
    void* memory_;
};

constexpr std::size_t kFewEntries = 8;

struct SharedState {
    alignas(StateImage) std::uint8_t bytes[state_size(kFewEntries)];
    StateImage& image() { return *reinterpret_cast<StateImage*>(bytes); }
};

// Calls `look` after each instruction of `act`. Returns their number.
std::size_t after_each_instruction(const std::function<void()>& act, const std::function<void()>& look) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0) {
            ::raise(SIGSTOP);
            act();
            ::raise(SIGSTOP);
        }
        ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSTOPPED(status));
    std::size_t instructions = 0;
    do {
        ++instructions;
        if (::ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) != 0 || ::waitpid(child, &status, 0) != child)
            FAIL("the child is not there any more");
        look();
    } while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
    CHECK((WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP)); // it has come to the end of `act`
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    return instructions;
}

// `is_whole` must hold from the instruction on after which `is_there` does, and that must come.
void check_order(const std::function<void()>& act, const std::function<bool()>& is_there,
                 const std::function<bool()>& is_whole) {
    std::size_t absent = 0, torn = 0;
    const std::size_t all = after_each_instruction(act, [&] {
        absent += is_there() ? 0u : 1u;
        torn += is_there() && !is_whole() ? 1u : 0u;
    });
    CHECK(absent > 0);
    CHECK(absent < all);
    CHECK(torn == 0);
}

} // namespace

TEST_CASE("a step counts as used only together with the request and the address that used it") {
    Shared<CredentialState> record;
    const UseToken token{{1}, {2, 3}};
    check_order(
        [&] {
            (void)LocalAdmission().consume_use(
                {.token = token, .address = address("192.0.2.7"), .record = &*record, .step = 41, .entries = {}});
        },
        [&] { return record->code_step == 42; },
        [&] { return record->request == token.request && record->address == address("192.0.2.7"); });
}

TEST_CASE("a use waits only when it is written down") {
    Shared<std::array<PendingUse, 2>> entries;
    PendingUse use{};
    use.token = {{1}, {2}};
    use.action = Action::open;
    use.begun = 9;
    use.code = 8;
    use.live = 1;
    PendingUses uses(*entries);
    check_order([&] { uses.begin_use(use); }, [&] { return (*entries)[0].live != 0; },
                [&] {
                    const PendingUse& entry = (*entries)[0];
                    return entry.token == use.token && entry.action == Action::open && entry.begun == 9 &&
                           entry.code == 8;
                });
}

TEST_CASE("a request is kept only when it is written down") {
    Shared<SharedState> memory;
    const Asked asked = {{}, {1}, {2}, 7, 1};
    State state(memory->bytes);
    check_order([&] { (void)state.keep(asked); }, [&] { return memory->image().asked[0].live != 0; },
                [&] {
                    const Asked& entry = memory->image().asked[0];
                    return entry.credential == asked.credential && entry.id == asked.id && entry.arrived == 7;
                });
}

TEST_CASE("a knock is remembered only when it is written down") {
    Shared<std::array<ReplayEntry, 32>> entries;
    const KnockId knock{{1}, {2}, {3}};
    ReplayMemory memory(*entries);
    memory.read({}, 0);
    check_order([&] { memory.remember(knock, 100, address("192.0.2.7"), 100); },
                [&] { return (*entries)[0].progress != Progress::none; },
                [&] {
                    const ReplayEntry& entry = (*entries)[0];
                    return entry.knock.credential == knock.credential && entry.knock.request == knock.request &&
                           entry.knock.mac == knock.mac && entry.slot == 100 && entry.address == address("192.0.2.7");
                });
}

TEST_CASE("the attempts of a record are never counted for another one") {
    Shared<SharedState> memory;
    State state(memory->bytes);
    StateHeader& header = state.header();
    header.attempts = 2;
    header.attempt = {7};
    const auto is_other = [&] { return header.attempt != Bytes<16>{7}; };
    check_order([&] { state.begin_attempt({1}, {2}); }, is_other, [&] { return header.attempts <= 1; });
    header.attempts = 2;
    header.attempt = {7};
    check_order([&] { state.end_attempt(); }, is_other, [&] { return header.attempts == 0; });
}
