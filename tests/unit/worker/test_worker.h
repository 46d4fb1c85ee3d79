// SPDX-License-Identifier: MIT
//
// The worker as it is shipped, with a test in the place of xknockd and of the filter. Loads maps and a program, and
// changes the worker's user: root.
#pragma once

#include "bpf/abi.h"
#include "daemon/authz/state.h"
#include "daemon/privsep/messages.h"
#include "daemon/privsep/policy_file.h"
#include "daemon/privsep/spawn.h"
#include "protocol/encoding.h"
#include "protocol/seal.h"

#include <bpf/bpf.h>
#include <doctest/doctest.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace xk::test {

using namespace xk::privsep;

inline constexpr uid_t kUid = 62006;
inline constexpr gid_t kGid = 62007;

inline Fd file_with(const void* bytes, std::size_t size) {
    Fd fd(::memfd_create("xk-test", MFD_CLOEXEC));
    REQUIRE(::write(fd.get(), bytes, size) == static_cast<ssize_t>(size));
    REQUIRE(::lseek(fd.get(), 0, SEEK_SET) == 0);
    return fd;
}
inline Fd file_with(const std::string& text) { return file_with(text.data(), text.size()); }

// 32 bytes of this value, as a key is written.
inline std::string key_of(std::uint8_t byte) {
    Bytes<32> key;
    key.fill(byte);
    return to_base64(key) + "\n";
}

// Of a credential with factor TOTP: the ASCII digits 1 to 0, twice (RFC 6238).
inline const std::string kOtpText = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n";

inline constexpr std::size_t kReplayEntries = 4096;

// Puts records into a ring as the filter does: by a BPF program, because only the kernel writes to a ring.
class Ring {
  public:
    Ring() : map_(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "xk_test", 0, 0, 1u << 16, nullptr)) { REQUIRE(map_); }
    int fd() const { return map_.get(); }

    void push(ByteView record) const {
        constexpr std::uint32_t kMost = 512;
        REQUIRE(record.size() <= kMost);
        const Fd values(bpf_map_create(BPF_MAP_TYPE_ARRAY, "xk_record", 4, kMost, 1, nullptr));
        std::uint8_t value[kMost] = {};
        std::memcpy(value, record.data(), record.size());
        const std::uint32_t zero = 0;
        REQUIRE(bpf_map_update_elem(values.get(), &zero, value, BPF_ANY) == 0);
        // bpf_ringbuf_output(ring, bpf_map_lookup_elem(values, &zero), size, 0)
        const auto step = [](int code, int to, int from, int offset, int number) {
            bpf_insn one{};
            one.code = static_cast<std::uint8_t>(code);
            one.dst_reg = static_cast<std::uint8_t>(to) & 0xf;
            one.src_reg = static_cast<std::uint8_t>(from) & 0xf;
            one.off = static_cast<std::int16_t>(offset);
            one.imm = number;
            return one;
        };
        const bpf_insn steps[] = {
            step(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0),
            step(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0),
            step(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
            step(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, values.get()),
            {},
            step(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
            step(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0, 1, 0),
            step(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
            step(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_0, 0, 0),
            step(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map_.get()),
            {},
            step(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, static_cast<int>(record.size())),
            step(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_4, 0, 0, 0),
            step(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ringbuf_output),
            step(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
        };
        const Fd program(bpf_prog_load(BPF_PROG_TYPE_XDP, "xk_feed", "GPL", steps, std::size(steps), nullptr));
        REQUIRE(program);
        std::uint8_t packet[64] = {};
        bpf_test_run_opts run{};
        run.sz = sizeof run;
        run.data_in = packet;
        run.data_size_in = sizeof packet;
        REQUIRE(bpf_prog_test_run_opts(program.get(), &run) == 0);
        REQUIRE(run.retval == 0);
    }

  private:
    Fd map_;
};

// What a worker writes to its standard error. It has to be there before the worker is.
class WorkerLog {
  public:
    WorkerLog() : file_(::memfd_create("xk-test-log", MFD_CLOEXEC | MFD_ALLOW_SEALING)), ours_(::dup(STDERR_FILENO)) {
        REQUIRE(::dup2(file_.get(), STDERR_FILENO) == STDERR_FILENO);
    }
    ~WorkerLog() { ::dup2(ours_.get(), STDERR_FILENO); }
    WorkerLog(const WorkerLog&) = delete;
    WorkerLog& operator=(const WorkerLog&) = delete;

    std::string text() const {
        std::string text(64 * 1024, '\0');
        text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, ::pread(file_.get(), text.data(), text.size(), 0))));
        return text;
    }
    bool has(const std::string& part) const { return text().find(part) != std::string::npos; }
    std::size_t count(const std::string& part) const {
        const std::string all = text();
        std::size_t n = 0;
        for (std::size_t at = 0; (at = all.find(part, at)) != std::string::npos; ++at)
            ++n;
        return n;
    }

  private:
    Fd file_, ours_;
};

struct TestWorker {
    Ring ring;
    Child worker;
    std::vector<authz::Credential> credentials;
    std::span<std::uint8_t> state_memory;

    // `prepare` is given the memory of judgement before the worker is.
    explicit TestWorker(
        std::uint32_t count, const std::function<void(authz::State&)>& prepare = {},
        const std::function<void(Setup&)>& set_up = [](Setup&) {})
        : worker(spawn_child(XK_WORKER).value()) {
        const Fd state(::memfd_create("xk-test-state", MFD_CLOEXEC));
        const std::size_t size = authz::state_size(kReplayEntries);
        REQUIRE(::ftruncate(state.get(), static_cast<off_t>(size)) == 0);
        void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, state.get(), 0);
        REQUIRE(memory != MAP_FAILED);
        state_memory = {static_cast<std::uint8_t*>(memory), size};
        if (prepare) {
            authz::State begun(state_memory);
            (void)begun.begin_boot({1}, Now::read(), std::chrono::seconds(60), {});
            prepare(begun);
        }
        Setup setup;
        setup.uid = kUid;
        setup.gid = kGid;
        setup.replay_entries = kReplayEntries;
        setup.boot_id = {1};
        set_up(setup);
        const int fds[] = {ring.fd(), state.get()};
        REQUIRE(send(worker.channel, setup, fds));
        REQUIRE(next<Ready>());
        for (std::uint32_t i = 0; i < count; ++i) {
            credentials.emplace_back();
            credentials.back().id = {1, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)};
            credentials.back().services.set(0);
            credentials.back().factor = i % 2 == 0 ? FactorKind::none : FactorKind::hmac;
        }
    }
    ~TestWorker() {
        ::kill(worker.pid, SIGKILL);
        ::waitpid(worker.pid, nullptr, 0);
        ::munmap(state_memory.data(), state_memory.size());
    }
    TestWorker(const TestWorker&) = delete;
    TestWorker& operator=(const TestWorker&) = delete;

    // The next message that it sends, if it is of this type. A slot may begin at any time, so tags of more slots are
    // skipped.
    template <typename M>
    std::optional<M> next() {
        for (;;) {
            pollfd there{worker.channel.fd(), POLLIN, 0};
            ::poll(&there, 1, 10'000); // only for a test that fails
            auto received = worker.channel.receive(false).value();
            if (!received)
                return std::nullopt;
            const auto of_slots = as<Tags>(*received);
            if (M::kType == Type::tags || !of_slots || of_slots->scope != static_cast<std::uint32_t>(TagScope::more))
                return as<M>(*received);
        }
    }
    // All credentials, to a worker that judges by none.
    SecretsRead begin() {
        authz::PolicyChange change;
        change.places = static_cast<std::uint32_t>(credentials.size());
        change.services.emplace_back();
        change.services[0].name = authz::Name("ssh");
        change.services[0].id = service_id("ssh");
        change.services[0].port_count = 1;
        change.services[0].ports[0] = PortRange::of({IpProtocol::tcp, 22});
        for (std::uint32_t i = 0; i < credentials.size(); ++i)
            change.changed.push_back({i, credentials[i]});
        hand_over(change, 5, 0);
        return next<SecretsRead>().value();
    }
    void hand_over(const authz::PolicyChange& change, std::uint32_t generation, std::uint32_t base) {
        auto file = write_policy_file(change).value();
        file.message.generation = generation;
        file.message.base = base;
        const int fd = file.file.get();
        REQUIRE(send(worker.channel, file.message, {&fd, 1}));
    }
    // It judges by all credentials, whose keys are key_of(9); its first tags were read.
    void judge() {
        CHECK(begin().next == 0);
        for (std::uint32_t first = 0; first < credentials.size(); first += 16) {
            give(first, keys(std::min<std::uint32_t>(16, static_cast<std::uint32_t>(credentials.size()) - first)));
            CHECK(next<SecretsRead>().has_value());
        }
        REQUIRE(send(worker.channel, Activate{}));
        CHECK(read_tags() == TagScope::all);
    }
    // What one publication was of, and its tags by place.
    std::map<std::uint32_t, std::set<Bytes<8>>> tags;
    std::set<Bytes<wire::kMacKeySize>> mac_keys;
    std::size_t tag_messages = 0;
    TagScope read_tags() {
        tags.clear();
        for (tag_messages = 1;; ++tag_messages) {
            const auto message = next<Tags>();
            REQUIRE(message.has_value());
            CHECK((message->first == 1) == (tag_messages == 1));
            for (std::uint32_t i = 0; i < message->count; ++i)
                tags[message->tags[i].place].insert(message->tags[i].tag), mac_keys.insert(message->tags[i].mac_key);
            if (message->last == 1)
                return static_cast<TagScope>(message->scope);
        }
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
            const FactorKind factor = credentials[first + n].factor;
            if (factor != FactorKind::none)
                files.push_back(file_with(factor == FactorKind::totp ? kOtpText : n == 3 ? "no factor" : key_of(77)));
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
    // All that it can write to, but the file of its state.
    std::string memory() const {
        const std::string process = "/proc/" + std::to_string(worker.pid);
        std::ifstream maps(process + "/maps");
        const Fd file(::open((process + "/mem").c_str(), O_RDONLY | O_CLOEXEC));
        REQUIRE(file);
        std::string all;
        for (std::string line; std::getline(maps, line);) {
            std::uint64_t begin = 0, end = 0;
            char rights[5] = {};
            REQUIRE(std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, rights) == 3);
            if (std::string_view(rights) != "rw-p" || end - begin > (1u << 28)) // a sanitizer's shadow has terabytes
                continue;
            std::string part(end - begin, '\0');
            const ssize_t n = ::pread(file.get(), part.data(), part.size(), static_cast<off_t>(begin));
            all += part.substr(0, static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
        }
        return all;
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

} // namespace xk::test
