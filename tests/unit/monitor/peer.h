// SPDX-License-Identifier: MIT
//
// A Monitor with a test in the place of the worker, and recording ports around it. What the worker answers is put into
// the channel before it is asked for: a socketpair keeps the order, so no thread is needed.
#pragma once

#include "daemon/monitor/monitor.h"
#include "daemon/privsep/policy_file.h"
#include "protocol/encoding.h"
#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace xk::test {

using namespace std::chrono_literals;

// The filter's map, by the first byte of a tag.
struct RecordingTags : TagPort {
    struct Entry {
        std::uint32_t place;
        std::uint64_t slot;
        bool current;
    };
    std::map<int, Entry> map;
    std::map<int, authz::RecordKind> kinds;
    std::size_t written = 0;
    bool fails = false;

    Result<void> add(const std::vector<xdp::PublishedTag>& tags) override {
        if (fails)
            return Error{"no memory", {}};
        for (const auto& tag : tags) {
            map[tag.tag[0]] = {tag.place, tag.slot, true};
            kinds[tag.tag[0]] = tag.kind;
        }
        written += tags.size();
        return {};
    }
    void mark(const std::set<std::uint32_t>* places) {
        for (auto& [tag, entry] : map)
            if (places == nullptr || places->contains(entry.place))
                entry.current = false;
    }
    void sweep(const std::set<std::uint32_t>* places) {
        std::erase_if(map, [&](const auto& tag) {
            return !tag.second.current && (places == nullptr || places->contains(tag.second.place));
        });
    }
    void begin_replacement() override { mark(nullptr); }
    void end_replacement() override { sweep(nullptr); }
    std::vector<std::set<std::uint32_t>> marked; // by begin_replacement_of()
    void begin_replacement_of(const std::set<std::uint32_t>& places) override {
        marked.push_back(places);
        mark(&places);
    }
    void end_replacement_of(const std::set<std::uint32_t>& places) override { sweep(&places); }
    Result<void> replace_hellos(std::uint32_t place, const std::vector<xdp::PublishedTag>& tags) override {
        if (fails)
            return Error{"no memory", {}};
        hellos[place] = tags;
        return {};
    }
    std::map<std::uint32_t, std::vector<xdp::PublishedTag>> hellos; // by place
    std::vector<int> tags() const {
        std::vector<int> all;
        for (const auto& [tag, entry] : map)
            all.push_back(tag);
        return all;
    }
};

struct RecordingSteps : StepPort {
    std::vector<xdp::PublishedStep> steps, before;
    bool fails = false;

    Result<void> add(const std::vector<xdp::PublishedStep>& more) override {
        if (fails)
            return Error{"no memory", {}};
        steps.insert(steps.end(), more.begin(), more.end());
        return {};
    }
    void begin_replacement() override { before = std::exchange(steps, {}); }
    void end_replacement() override { before.clear(); }
};

struct RecordingAnswers : AnswerPort {
    struct Sent {
        Hello hello;
        std::uint16_t port;
        wire::Packet packet;
    };
    std::vector<Sent> all;
    std::deque<Result<bool>> results; // the next ones; then true

    Result<bool> send_answer(const Hello& hello, std::uint16_t port, const wire::Packet& packet, BootTime) override {
        all.push_back({hello, port, packet});
        if (results.empty())
            return true;
        Result<bool> next = std::move(results.front());
        results.pop_front();
        return next;
    }
};

struct RecordingGrants : GrantPort {
    std::deque<authz::Answer> answers; // the next ones; then done
    std::vector<authz::GrantRequest> requests;
    std::vector<Ticket> tickets;
    bool waits = false;
    unsigned settled = 0;

    GrantReply reply(const authz::GrantRequest& request) {
        requests.push_back(request);
        GrantReply reply;
        reply.answer = authz::Answer::done;
        if (!answers.empty()) {
            reply.answer = answers.front();
            answers.pop_front();
        }
        return reply;
    }
    GrantReply open_grant(const authz::GrantRequest& request, Ticket ticket, const Now&) override {
        tickets.push_back(ticket);
        return reply(request);
    }
    GrantReply close_grant(const authz::GrantRequest& request, const Now&) override { return reply(request); }
    GrantReply close_all(std::uint32_t credential, const Now&) override {
        authz::GrantRequest request;
        request.credential = credential;
        return reply(request);
    }
    bool any_waiting() const override { return waits; }
    void settle(const Now&) override { ++settled; }
};

struct RecordingOwner : MonitorOwner {
    std::vector<std::string> ends;
    unsigned answered = 0;
    void on_worker_end(Error error) override { ends.push_back(error.message); }
    void on_request_answered(const Now&) override { ++answered; }
};

struct RecordingEvents : authz::EventSink {
    std::vector<authz::Event> all;
    void on_event(const authz::Event& event) override { all.push_back(event); }
};

inline std::string key_text(std::uint8_t byte) {
    Bytes<32> key;
    key.fill(byte);
    return to_base64(key) + "\n";
}

// A configuration whose credentials have secrets in files of their own. Credential n has the id {1, n / 256, n % 256}.
struct Devices {
    TemporaryDirectory itself;
    const std::filesystem::path path = itself.path();
    config::Config config;

    explicit Devices(std::uint32_t count) {
        config.account.gid = ::getegid();
        authz::Service ssh;
        ssh.name = authz::Name("ssh");
        config.policy.services.push_back(ssh);
        for (std::uint32_t n = 0; n < count; ++n)
            add(n);
    }

    static wire::CredentialId id_of(std::uint32_t n) {
        return {1, static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)};
    }
    std::string file(std::uint32_t n, const char* kind) const {
        return (path / ("device" + std::to_string(n) + kind)).string();
    }
    void write(const std::string& file, const std::string& text) const {
        std::ofstream(file) << text;
        ::chmod(file.c_str(), 0600);
    }
    // Behind the others, as the loader may sort it.
    void add(std::uint32_t n, FactorKind factor = FactorKind::none) {
        authz::Credential credential;
        credential.id = id_of(n);
        credential.user = authz::Name("anna");
        credential.device = authz::Name("d" + std::to_string(n));
        credential.factor = factor;
        credential.modes.set(static_cast<std::size_t>(authz::KnockMode::handshake));
        config.policy.credentials.push_back(credential);
        config.secrets.push_back(
            {file(n, ".key"), factor == FactorKind::none ? "" : file(n, ".otp"), file(n, ".yaml")});
        write(file(n, ".key"), key_text(static_cast<std::uint8_t>(n + 1)));
        if (factor != FactorKind::none)
            write(file(n, ".otp"), key_text(77));
        config.policy.make_index();
    }
    void remove(std::size_t index) {
        config.policy.credentials.erase(config.policy.credentials.begin() + static_cast<std::ptrdiff_t>(index));
        config.secrets.erase(config.secrets.begin() + static_cast<std::ptrdiff_t>(index));
        config.policy.make_index();
    }
};

struct Peer {
    RecordingTags tags;
    RecordingSteps steps;
    RecordingAnswers answers;
    RecordingGrants grants;
    RecordingOwner owner;
    RecordingEvents events;
    std::optional<privsep::Channel> worker; // the other end
    std::optional<Monitor> monitor;
    std::uint32_t generation = 0; // the last one that the test counts

    explicit Peer(std::chrono::milliseconds patience = 10s) {
        auto ends = privsep::Channel::pair().value();
        ::fcntl(ends.first.fd(), F_SETFL, O_NONBLOCK);
        worker.emplace(std::move(ends.second));
        monitor.emplace(
            privsep::Child{-1, std::move(ends.first)},
            Monitor::World{
                .tags = tags, .steps = steps, .answers = answers, .grants = grants, .owner = owner, .events = events},
            Monitor::Settings{.patience = patience, .most_unanswered = 10, .settled_after = -1h});
    }

    template <typename M>
    void send_message(const M& message, std::span<const int> fds = {}) {
        REQUIRE(privsep::send(*worker, message, fds));
    }
    // The next message to the worker, which is of this type.
    template <typename M>
    M hear(std::vector<Fd>* fds = nullptr) {
        auto received = worker->receive(false).value();
        REQUIRE(received.has_value());
        const auto message = privsep::as<M>(*received);
        REQUIRE(message.has_value());
        if (fds != nullptr)
            *fds = std::move(received->fds);
        return *message;
    }
    // A NewPolicy, and what it changes.
    authz::PolicyChange hear_change(std::uint32_t wanted_generation, std::uint32_t base) {
        std::vector<Fd> fds;
        const auto message = hear<privsep::NewPolicy>(&fds);
        CHECK(message.generation == wanted_generation);
        CHECK(message.base == base);
        REQUIRE(fds.size() == 1);
        return privsep::read_policy_file(message, fds[0]).value();
    }
    bool hears_nothing() { return !worker->receive(false).value().has_value(); }
    void report(std::uint32_t of_generation, std::uint32_t next, std::uint32_t bad_keys = 0,
                std::uint32_t bad_factors = 0) {
        privsep::SecretsRead read;
        read.generation = of_generation;
        read.next = next;
        read.bad_keys = bad_keys;
        read.bad_factors = bad_factors;
        send_message(read);
    }
    // Reports of a worker that finds nothing wrong with so many changed credentials.
    void report_all(std::uint32_t of_generation, std::uint32_t changed) {
        for (std::uint32_t next = 0;; next = std::min(next + privsep::kSecretsAtOnce, changed)) {
            report(of_generation, next);
            if (next == changed)
                return;
        }
    }
    static Monitor::Check any() {
        return [](const config::Config&) { return Result<void>(); };
    }
    // All of it: handed over, counting, activated, and the worker's messages about it read. How many were changed.
    std::uint32_t load(config::Config config, std::uint32_t changed) {
        report_all(++generation, changed);
        REQUIRE(monitor->hand_over(config, any()));
        CHECK(monitor->handed_over() == changed);
        monitor->commit(std::make_shared<config::Config>(std::move(config)));
        REQUIRE(monitor->activate());
        return drain();
    }
    std::uint32_t drain() {
        std::uint32_t messages = 0;
        while (worker->receive(false).value().has_value())
            ++messages;
        return messages;
    }
    // Tags {first, first + 1, ...} of these places, one each.
    void publish(privsep::TagScope scope, std::vector<std::uint32_t> places, std::uint8_t first,
                 std::uint32_t of_generation, bool begins = true, bool ends = true) {
        auto message = std::make_unique<privsep::Tags>();
        message->scope = static_cast<std::uint32_t>(scope);
        message->first = begins;
        message->last = ends;
        message->generation = of_generation;
        for (const std::uint32_t place : places) {
            privsep::TagRecord& record = message->tags[message->count++];
            record.tag[0] = first++;
            record.place = place;
        }
        send_message(*message);
    }
    // What the worker said is read. Whether it goes on.
    bool goes_on() {
        pollfd there{monitor->channel().fd(), POLLIN, 0};
        while (owner.ends.empty() && ::poll(&there, 1, 0) == 1) // it reads for a few milliseconds at a time
            monitor->on_readable();
        return owner.ends.empty();
    }
    std::string end() const { return owner.ends.empty() ? "(it goes on)" : owner.ends.front(); }
};

} // namespace xk::test
