// SPDX-License-Identifier: MIT
// What the worker may say, and when; requests, tags and notices; and how it is given up.
#include "peer.h"

#include "daemon/authz/handshakes.h"
#include "daemon/log.h"
#include "tests/unit/recording/left_behind.h"

#include <sys/mman.h>

#include <algorithm>

using namespace xk;
using namespace xk::test;
using namespace xk::privsep;

namespace {

RequestGrant request_for(std::uint32_t device, std::uint32_t sequence) {
    authz::GrantRequest request;
    request.address = Address::v4(192, 0, 2, 9);
    request.endpoint = {IpProtocol::tcp, 22};
    RequestGrant message = request_grant(GrantVerb::open, Devices::id_of(device), request);
    message.sequence = sequence;
    return message;
}

Notice notice_of(NoticeKind kind, std::uint32_t device = 0) {
    Notice notice;
    notice.kind = static_cast<std::uint32_t>(kind);
    notice.credential = Devices::id_of(device);
    return notice;
}

// What is logged while `act` runs.
std::string log_of(const std::function<void()>& act) {
    log::begin("xknockd", false);
    const Fd file(::memfd_create("xk-test-log", MFD_CLOEXEC)), standard_error(::dup(STDERR_FILENO));
    REQUIRE(::dup2(file.get(), STDERR_FILENO) == STDERR_FILENO);
    act();
    ::dup2(standard_error.get(), STDERR_FILENO);
    std::string text(64 * 1024, '\0');
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, ::pread(file.get(), text.data(), text.size(), 0))));
    return text;
}

privsep::Outcome refusal_of(std::uint32_t device, const Address& source) {
    privsep::Outcome outcome;
    outcome.kind = static_cast<std::uint32_t>(OutcomeKind::refused);
    outcome.known = 1;
    outcome.credential = Devices::id_of(device);
    outcome.source = source.bytes;
    outcome.reject = static_cast<std::uint32_t>(authz::Reject::stale);
    outcome.totp_step = -1;
    return outcome;
}

struct Judging {
    Devices devices;
    Peer peer;
    explicit Judging(std::uint32_t count = 3) : devices(count) { peer.load(devices.config, count); }
};

} // namespace

TEST_CASE("before a configuration counts the worker may send answers only") {
    const std::pair<const char*, std::function<void(Peer&)>> attempts[] = {
        {"tags in the wrong phase", [](Peer& p) { p.publish(TagScope::all, {}, 1, 0); }},
        {"request in the wrong phase", [](Peer& p) { p.send_message(request_for(0, 1)); }},
        {"notice in the wrong phase", [](Peer& p) { p.send_message(notice_of(NoticeKind::clock_wrong)); }},
        {"outcome in the wrong phase", [](Peer& p) { p.send_message(refusal_of(0, Address::v4(192, 0, 2, 9))); }},
        {"readiness in the wrong phase", [](Peer& p) { p.send_message(Ready{}); }},
        {"report that nobody asked for", [](Peer& p) { p.send_message(SecretsRead{}); }},
        {"horizon that nobody asked for", [](Peer& p) { p.send_message(HorizonRaised{}); }},
        {"pong that nobody asked for", [](Peer& p) { p.send_message(Pong{}); }},
        {"ping in the wrong direction", [](Peer& p) { p.send_message(Ping{}); }},
        {"a message of no known type", [](Peer& p) { REQUIRE(p.worker->send(Bytes<64>{77})); }},
        {"a message of no known type", [](Peer& p) { REQUIRE(p.worker->send(Bytes<3>{})); }},
    };
    for (const auto& [name, attempt] : attempts) {
        const std::string why = name;
        CAPTURE(why);
        Peer peer;
        attempt(peer);
        CHECK_FALSE(peer.goes_on());
        CHECK(peer.end() == std::string("xknock-worker said something that makes no sense: ") + why);
        CHECK(peer.grants.requests.empty());
        CHECK(peer.tags.written == 0);
    }
}

TEST_CASE(
    "while a configuration counts the worker may publish, request and report, and answers only what it is asked") {
    const std::pair<const char*, std::function<void(Peer&)>> allowed[] = {
        {"tags", [](Peer& p) { p.publish(TagScope::all, {0}, 1, 1); }},
        {"a request", [](Peer& p) { p.send_message(request_for(0, 1)); }},
        {"a notice", [](Peer& p) { p.send_message(notice_of(NoticeKind::clock_wrong)); }},
        {"a pong",
         [](Peer& p) {
             CHECK(p.monitor->on_tick());
             Pong pong;
             pong.number = p.hear<Ping>().number;
             p.send_message(pong);
         }},
    };
    for (const auto& [name, attempt] : allowed) {
        const std::string what = name;
        CAPTURE(what);
        Judging j;
        attempt(j.peer);
        CHECK(j.peer.goes_on());
    }
    const std::pair<const char*, std::function<void(Peer&)>> refused[] = {
        {"readiness in the wrong phase", [](Peer& p) { p.send_message(Ready{}); }},
        {"report that nobody asked for", [](Peer& p) { p.send_message(SecretsRead{}); }},
        {"horizon that nobody asked for", [](Peer& p) { p.send_message(HorizonRaised{}); }},
        {"pong that nobody asked for", [](Peer& p) { p.send_message(Pong{}); }},
        {"policy in the wrong direction", [](Peer& p) { p.send_message(NewPolicy{}); }},
        {"a notice of no kind", [](Peer& p) { p.send_message(Notice{}); }},
        {"an outcome of no knock", [](Peer& p) { p.send_message(privsep::Outcome{}); }},
        {"an outcome of no knock", [](Peer& p) { p.send_message(Suppressed{}); }},
        {"a pong of another ping",
         [](Peer& p) {
             p.monitor->on_tick();
             Pong pong;
             pong.number = 2;
             p.send_message(pong);
         }},
        {"pong with the wrong number of descriptors",
         [](Peer& p) {
             p.monitor->on_tick();
             const int fd = STDERR_FILENO;
             p.send_message(Pong{}, {&fd, 1});
         }},
        {"tags of the wrong size",
         [](Peer& p) {
             Tags tags;
             REQUIRE(p.worker->send({reinterpret_cast<const std::uint8_t*>(&tags), sizeof tags - 1}));
         }},
    };
    for (const auto& [name, attempt] : refused) {
        const std::string why = name;
        CAPTURE(why);
        Judging j;
        attempt(j.peer);
        CHECK_FALSE(j.peer.goes_on());
        CHECK(j.peer.end() == std::string("xknock-worker said something that makes no sense: ") + why);
    }
}

TEST_CASE("a worker that sends too many messages is given up" * doctest::test_suite("long")) {
    const std::pair<const char*, std::function<void(Peer&)>> floods[] = {
        {"notice too often",
         [](Peer& p) { p.send_message(notice_of(NoticeKind::locked_for_good, 77)); }}, // of nobody: no line
        {"outcome too often", [](Peer& p) { p.send_message(refusal_of(0, Address::v4(192, 0, 2, 9))); }},
        // Not tags: a slow machine sends no more of them than the 1,000 a second that are allowed. unit.request_table
        // has them.
    };
    for (const auto& [name, message] : floods) {
        const std::string why = name;
        CAPTURE(why);
        Judging j;
        unsigned said = 0;
        while (said < 200'000 && j.peer.goes_on()) {
            message(j.peer);
            ++said;
        }
        CHECK(said >= (why == std::string_view("outcome too often") ? 1'000 : authz::kMaxCredentials));
        CHECK(said < 200'000);
        CHECK(j.peer.end() == std::string("xknock-worker says more than it can have to say: ") + why);
    }
}

TEST_CASE("a request is passed on with the index that its credential has, and answered by its own number") {
    Judging j;
    j.devices.remove(0); // device 2 has another index now, and the same place
    j.peer.load(j.devices.config, 0);
    j.peer.grants.answers = {authz::Answer::limit, authz::Answer::refused};
    j.peer.send_message(request_for(2, 41));
    j.peer.send_message(request_for(0, 42)); // who is gone
    CHECK(j.peer.goes_on());
    REQUIRE(j.peer.grants.requests.size() == 2);
    CHECK(j.peer.grants.requests[0].credential == 1);
    CHECK(j.peer.grants.requests[0].endpoint.port == 22);
    CHECK(j.peer.grants.requests[1].credential == UINT32_MAX);
    CHECK(j.peer.owner.answered == 2);
    const auto first = j.peer.hear<ReplyGrant>();
    CHECK(first.sequence == 41);
    CHECK(first.answer == authz::Answer::limit);
    CHECK(j.peer.hear<ReplyGrant>().sequence == 42);
    CHECK(j.peer.hears_nothing());
}

TEST_CASE("a refusal that no reload explains is logged as an error: an honest worker would not have asked") {
    Judging j;
    const auto refused = [&](std::uint32_t sequence, std::uint32_t generation) {
        j.peer.grants.answers = {authz::Answer::refused};
        RequestGrant message = request_for(0, sequence);
        message.address[15] = static_cast<std::uint8_t>(sequence); // the log has a budget for each
        message.generation = generation;
        return log_of([&] {
            j.peer.send_message(message);
            CHECK(j.peer.goes_on());
        });
    };
    const std::string by_worker = "error: the worker asked for a grant that is not allowed: anna/d0 from 192.0.2.";
    CHECK(refused(1, j.peer.generation - 1).empty()); // the event of its outcome says why
    CHECK(refused(2, j.peer.generation).find(by_worker + "2") != std::string::npos);
    j.peer.publish(TagScope::all, {}, 1, j.peer.generation); // the worker knows of the reload now
    CHECK(refused(3, j.peer.generation - 1).find(by_worker + "3") != std::string::npos);
}

TEST_CASE("the log says which grant could not be opened or closed") {
    Judging j;
    const auto logged = [&](authz::Answer answer) {
        j.peer.grants.answers = {answer};
        return log_of([&] {
            j.peer.send_message(request_for(0, 1));
            CHECK(j.peer.goes_on());
        });
    };
    const std::string failed = logged(authz::Answer::failed);
    CHECK(failed.find("error: a grant could not be opened or closed: anna/d0") != std::string::npos);
    for (const authz::Answer answer : {authz::Answer::done, authz::Answer::waiting, authz::Answer::limit})
        CHECK(logged(answer).empty()); // their events are logged
}

TEST_CASE("numbers of a request that mean nothing end the worker") {
    for (const auto& spoil : std::vector<std::function<void(RequestGrant&)>>{
             [](RequestGrant& r) { r.verb = 9; }, [](RequestGrant& r) { r.protocol = 2; },
             [](RequestGrant& r) { r.single_use = 2; }}) {
        Judging j;
        RequestGrant request = request_for(0, 1);
        spoil(request);
        j.peer.send_message(request);
        CHECK_FALSE(j.peer.goes_on());
        CHECK(j.peer.grants.requests.empty());
    }
}

TEST_CASE("a later commitment belongs to its own request, in any order and once") {
    Judging j;
    j.peer.grants.answers = {authz::Answer::waiting, authz::Answer::done, authz::Answer::waiting};
    for (const std::uint32_t sequence : {7u, 8u, 9u})
        j.peer.send_message(request_for(0, sequence));
    CHECK(j.peer.goes_on());
    for (const std::uint32_t sequence : {7u, 8u, 9u})
        CHECK(j.peer.hear<ReplyGrant>().sequence == sequence);
    const auto tickets = j.peer.grants.tickets;
    j.peer.monitor->on_committed(tickets[2], true);
    const auto last = j.peer.hear<GrantCommitted>();
    CHECK(last.sequence == 9);
    CHECK(last.failed == 0);
    j.peer.monitor->on_committed(tickets[0], false);
    const auto first = j.peer.hear<GrantCommitted>();
    CHECK(first.sequence == 7);
    CHECK(first.failed == 1);
    j.peer.monitor->on_committed(tickets[0], true);
    j.peer.monitor->on_committed(tickets[1], true); // its answer was not to wait
    CHECK(j.peer.hears_nothing());
}

TEST_CASE("two requests with one number, which only an evil worker sends, are two") {
    Judging j;
    j.peer.grants.answers = {authz::Answer::waiting, authz::Answer::waiting};
    j.peer.send_message(request_for(0, 7));
    j.peer.send_message(request_for(1, 7));
    CHECK(j.peer.goes_on());
    REQUIRE(j.peer.grants.tickets.size() == 2);
    CHECK(j.peer.grants.tickets[0] != j.peer.grants.tickets[1]);
}

TEST_CASE("the worker publishes all tags, those of more slots, or those of changed places alone") {
    Judging j;
    Peer& p = j.peer;
    p.publish(TagScope::all, {0, 1}, 10, 1, true, false);
    p.publish(TagScope::all, {2}, 12, 1, false, true);
    CHECK(p.goes_on());
    CHECK(p.tags.tags() == std::vector<int>{10, 11, 12});
    REQUIRE(p.monitor->wait_for_tags());
    p.publish(TagScope::more, {0, 1, 2}, 20, 1);
    CHECK(p.goes_on());
    CHECK(p.tags.tags().size() == 6);

    j.devices.write(j.devices.file(1, ".new"), key_text(99));
    std::filesystem::rename(j.devices.file(1, ".new"), j.devices.file(1, ".key"));
    j.devices.remove(2);
    p.load(j.devices.config, 1);
    p.tags.written = 0;
    p.publish(TagScope::changed, {1, 1}, 30, 2);
    CHECK(p.goes_on());
    CHECK(p.tags.written == 2);
    CHECK(p.tags.tags() == std::vector<int>{10, 20, 30, 31}); // 1 has other tags, 2 has none
    p.publish(TagScope::all, {0, 1}, 40, 2);
    CHECK(p.goes_on());
    CHECK(p.tags.tags() == std::vector<int>{40, 41});
}

TEST_CASE("late tags of the configuration before count for whom it did not change") {
    Judging j;
    Peer& p = j.peer;
    p.publish(TagScope::all, {0, 1, 2}, 10, 1);
    CHECK(p.goes_on());
    j.devices.config.policy.credentials[1].lifetime = 9s;
    p.load(j.devices.config, 1);
    p.publish(TagScope::more, {0, 1, 2}, 20, 1); // said before the worker heard of it; nobody says it again
    CHECK(p.goes_on());
    CHECK(p.tags.tags() == std::vector<int>{10, 11, 12, 20, 22});
    p.publish(TagScope::changed, {1, 1}, 30, 2);
    CHECK(p.goes_on());
    CHECK(p.tags.tags() == std::vector<int>{10, 12, 20, 22, 30, 31});
    p.publish(TagScope::more, {0}, 40, 1); // and not after it followed
    CHECK_FALSE(p.goes_on());
}

TEST_CASE("a place that another credential took gets no late tags of the one before") {
    Judging j;
    Peer& p = j.peer;
    p.publish(TagScope::all, {0, 1, 2}, 10, 1);
    CHECK(p.goes_on());
    j.devices.remove(1);
    j.devices.add(9);
    p.load(j.devices.config, 1);
    p.publish(TagScope::more, {1}, 20, 1);
    CHECK(p.goes_on());
    CHECK(p.tags.tags() == std::vector<int>{10, 11, 12});
    p.publish(TagScope::changed, {1}, 30, 2);
    CHECK(p.goes_on());
    CHECK(p.tags.tags() == std::vector<int>{10, 12, 30});
}

TEST_CASE("tags that no honest worker publishes end the worker") {
    const std::pair<const char*, std::function<void(Peer&)>> attempts[] = {
        {"of no credential", [](Peer& p) { p.publish(TagScope::more, {3}, 1, 1); }},
        {"of no credential at all", [](Peer& p) { p.publish(TagScope::more, {1'000'000}, 1, 1); }},
        {"of another generation", [](Peer& p) { p.publish(TagScope::more, {0}, 1, 2); }},
        {"of what changed, where nothing did", [](Peer& p) { p.publish(TagScope::changed, {0}, 1, 1); }},
        {"of no scope", [](Peer& p) { p.publish(static_cast<TagScope>(3), {0}, 1, 1); }},
        {"more than fit",
         [](Peer& p) {
             auto tags = std::make_unique<Tags>();
             tags->generation = 1;
             tags->count = kTagsInMessage + 1;
             p.send_message(*tags);
         }},
    };
    for (const auto& [name, attempt] : attempts) {
        const std::string what = name;
        CAPTURE(what);
        Judging j;
        attempt(j.peer);
        CHECK_FALSE(j.peer.goes_on());
        CHECK(j.peer.tags.written == 0);
    }
}

namespace {

Steps steps_of(std::uint32_t generation, std::uint32_t place, std::uint16_t port, bool first = true, bool last = true) {
    Steps message;
    message.generation = generation;
    message.first = first ? 1 : 0;
    message.last = last ? 1 : 0;
    message.count = 1;
    message.steps[0] = {56'666'667, 5, 40, 56'666'667, 9, place, port, 0};
    return message;
}

} // namespace

TEST_CASE("the sequences that the worker publishes replace those before") {
    Judging j;
    Peer& p = j.peer;
    p.send_message(steps_of(1, 0, 24576, true, false));
    p.send_message(steps_of(1, 2, 32767, false, true));
    CHECK(p.goes_on());
    REQUIRE(p.steps.steps.size() == 2);
    const xdp::PublishedStep& step = p.steps.steps[1];
    CHECK(step.slot == 56'666'667);
    CHECK(step.not_before == BootTime(5ns));
    CHECK(step.expires == BootTime(40ns));
    CHECK(step.node == 56'666'667);
    CHECK(step.next == 9);
    CHECK(step.place == 2);
    CHECK(step.port == 32767);
    p.send_message(steps_of(1, 1, 24600, true, false));
    CHECK(p.goes_on());
    CHECK(p.steps.before.size() == 2); // until the publication is whole
    p.send_message(steps_of(1, 1, 24601, false, true));
    CHECK(p.goes_on());
    CHECK(p.steps.steps.size() == 2);
    CHECK(p.steps.before.empty());
}

TEST_CASE("late sequences of the configuration before are dropped: all come again") {
    Judging j;
    Peer& p = j.peer;
    p.send_message(steps_of(1, 0, 24576));
    j.devices.config.policy.credentials[1].lifetime = 9s;
    p.load(j.devices.config, 1);
    p.send_message(steps_of(1, 0, 24577));
    CHECK(p.goes_on());
    REQUIRE(p.steps.steps.size() == 1);
    CHECK(p.steps.steps[0].port == 24576);
    p.publish(TagScope::changed, {1}, 30, 2);
    p.send_message(steps_of(2, 0, 24578));
    CHECK(p.goes_on());
    CHECK(p.steps.steps[0].port == 24578);
    p.send_message(steps_of(1, 0, 24579)); // and not after it followed
    CHECK_FALSE(p.goes_on());
}

namespace {

Hellos hellos_of(std::uint32_t generation, std::uint32_t place, std::uint64_t number) {
    Hellos message;
    message.generation = generation;
    message.place = place;
    message.count = 1;
    message.expires = 77;
    message.hellos[0] = {{1, 2}, {3}, number};
    return message;
}

AnswerHello answer_of(std::uint32_t generation, std::uint32_t place) {
    AnswerHello message;
    message.generation = generation;
    message.place = place;
    message.source_port = 40'000;
    message.source = Address::v4(192, 0, 2, 7).bytes;
    message.destination = Address::v4(192, 0, 2, 1).bytes;
    message.tag = {9, 8};
    message.mac_key = {6};
    message.expires = 15;
    message.packet = {0xaa};
    return message;
}

} // namespace

TEST_CASE("the hellos that the worker publishes replace those of their place") {
    Judging j;
    Peer& p = j.peer;
    p.send_message(hellos_of(1, 0, 5));
    p.send_message(hellos_of(1, 2, 6));
    p.send_message(hellos_of(1, 0, 7));
    CHECK(p.goes_on());
    REQUIRE(p.tags.hellos.size() == 2);
    REQUIRE(p.tags.hellos[0].size() == 1);
    const xdp::PublishedTag& tag = p.tags.hellos[0][0];
    CHECK(tag.tag == wire::Tag{1, 2});
    CHECK(tag.mac_key[0] == 3);
    CHECK(tag.slot == 7);
    CHECK(tag.place == 0);
    CHECK(tag.kind == authz::RecordKind::hello);
    CHECK(tag.expires == BootTime(77ns));
    // No tag outlives the worker for longer than the worker's own do.
    auto long_lived = hellos_of(1, 0, 8);
    long_lived.expires = INT64_MAX;
    p.send_message(long_lived);
    CHECK(p.goes_on());
    CHECK(p.tags.hellos[0][0].expires <= BootClock::now() + authz::kHelloLife);
}

TEST_CASE("a publication of all tags takes the hellos of changed places away, once") {
    Judging j;
    Peer& p = j.peer;
    j.devices.config.policy.credentials[1].lifetime = 9s;
    p.load(j.devices.config, 1);
    p.publish(TagScope::all, {0, 1, 2}, 30, 2);
    CHECK(p.goes_on());
    CHECK(p.tags.marked == std::vector<std::set<std::uint32_t>>{{1}});
    p.publish(TagScope::all, {0, 1, 2}, 30, 2); // the clock was set
    CHECK(p.goes_on());
    CHECK(p.tags.marked.size() == 1);
}

TEST_CASE("an answer goes to where its hello came from, and its request is known before") {
    Judging j;
    Peer& p = j.peer;
    p.send_message(answer_of(1, 2));
    CHECK(p.goes_on());
    REQUIRE(p.answers.all.size() == 1);
    const auto& sent = p.answers.all[0];
    CHECK(sent.hello.source == Address::v4(192, 0, 2, 7));
    CHECK(sent.hello.destination == Address::v4(192, 0, 2, 1));
    CHECK(sent.hello.source_port == 40'000);
    CHECK(sent.port == j.devices.config.port);
    CHECK(sent.packet[0] == 0xaa);
    REQUIRE(p.tags.map.contains(9));
    CHECK(p.tags.map[9].place == 2);
    CHECK(p.tags.kinds[9] == authz::RecordKind::handshake_request);
}

TEST_CASE("an answer that cannot be sent ends nothing") {
    Judging j;
    Peer& p = j.peer;
    p.answers.results = {false, Error{"no network", {}}};
    p.send_message(answer_of(1, 0));
    p.send_message(answer_of(1, 0));
    CHECK(p.goes_on());
    CHECK(p.answers.all.size() == 2);
}

TEST_CASE("late hellos and answers count for the places that a reload has left") {
    Judging j;
    Peer& p = j.peer;
    j.devices.config.policy.credentials[1].lifetime = 9s;
    p.load(j.devices.config, 1);
    p.send_message(hellos_of(1, 0, 5));
    p.send_message(hellos_of(1, 1, 5));
    p.send_message(answer_of(1, 1));
    p.send_message(answer_of(1, 0));
    CHECK(p.goes_on());
    CHECK(p.tags.hellos.contains(0));
    CHECK_FALSE(p.tags.hellos.contains(1));
    CHECK(p.answers.all.size() == 1);
}

TEST_CASE("hellos and answers that no honest worker sends end the worker") {
    auto many = hellos_of(1, 0, 1);
    many.count = kHellosInMessage + 1;
    auto no_port = answer_of(1, 0), odd_port = answer_of(1, 0);
    no_port.source_port = 0;
    odd_port.source_port = 65'536;
    const auto ends = [](const auto& message) {
        Judging j;
        j.peer.send_message(message);
        const bool goes_on = j.peer.goes_on();
        return !goes_on && j.peer.answers.all.empty() && j.peer.tags.hellos.empty();
    };
    const auto ends_without_mode = [](const auto& message) {
        Judging j;
        j.devices.config.policy.credentials[1].modes.reset(static_cast<std::size_t>(authz::KnockMode::handshake));
        j.peer.load(j.devices.config, 1);
        j.peer.send_message(message);
        const bool goes_on = j.peer.goes_on();
        return !goes_on && j.peer.answers.all.empty() && j.peer.tags.hellos.empty();
    };
    CHECK(ends_without_mode(hellos_of(2, 1, 1)));
    CHECK(ends_without_mode(answer_of(2, 1)));
    CHECK(ends(many));
    CHECK(ends(hellos_of(1, 3, 1)));
    CHECK(ends(hellos_of(2, 0, 1)));
    CHECK(ends(answer_of(1, 3)));
    CHECK(ends(answer_of(2, 0)));
    CHECK(ends(no_port));
    CHECK(ends(odd_port));
}

TEST_CASE("sequences that no honest worker publishes end the worker") {
    const auto too_many = [] {
        auto message = std::make_unique<Steps>(steps_of(1, 0, 24576));
        message->count = kStepsInMessage + 1;
        return *message;
    };
    auto odd = steps_of(1, 0, 24576);
    odd.first = 2;
    const std::pair<const char*, Steps> attempts[] = {
        {"of no credential", steps_of(1, 3, 24576)},
        {"of another generation", steps_of(2, 0, 24576)},
        {"a port below all ranges", steps_of(1, 0, 1023)},
        {"more than fit", too_many()},
        {"a first that is no truth", odd},
    };
    for (const auto& [name, message] : attempts) {
        const std::string what = name;
        CAPTURE(what);
        Judging j;
        j.peer.send_message(message);
        CHECK_FALSE(j.peer.goes_on());
        CHECK(j.peer.steps.steps.empty());
    }
    Judging j;
    j.peer.steps.fails = true;
    j.peer.send_message(steps_of(1, 0, 24576));
    CHECK_FALSE(j.peer.goes_on());
}

TEST_CASE("a filter that takes no tags is an error, and no publication") {
    Judging j;
    j.peer.tags.fails = true;
    j.peer.publish(TagScope::all, {0}, 1, 1);
    CHECK_FALSE(j.peer.goes_on());
    CHECK(j.peer.end() == "no memory");
}

TEST_CASE("no MAC key is left in memory after a publication, whether it counts or not") {
    Bytes<wire::kMacKeySize> key;
    key.fill(0xa5);
    const auto leaves_key = [&](std::uint32_t place, bool fails) {
        Judging j;
        j.peer.tags.fails = fails;
        auto tags = std::make_unique<Tags>();
        tags->generation = 1;
        tags->first = tags->last = 1;
        for (tags->count = 0; tags->count < kTagsInMessage; ++tags->count)
            tags->tags[tags->count].mac_key = key;
        tags->tags[tags->count - 1].place = place;
        j.peer.send_message(*tags);
        bool goes_on = false;
        const bool left = leaves_behind(key, [&] { goes_on = j.peer.goes_on(); });
        CHECK(goes_on == (place == 0 && !fails));
        return left;
    };
    CHECK_FALSE(leaves_key(0, false));
    CHECK_FALSE(leaves_key(0, true));
    CHECK_FALSE(leaves_key(77, false)); // of no credential
}

TEST_CASE("an outcome becomes an event with the names of the configuration that counts") {
    Judging j;
    j.peer.send_message(refusal_of(2, Address::v4(192, 0, 2, 9)));
    j.peer.send_message(refusal_of(77, Address::v4(192, 0, 2, 9))); // who is gone
    Suppressed suppressed;
    suppressed.refused = 5;
    suppressed.accepted = 3;
    j.peer.send_message(suppressed);
    CHECK(j.peer.goes_on());
    const auto& events = j.peer.events.all;
    REQUIRE(events.size() == 4);
    CHECK(events[0].kind == authz::EventKind::knock_refused);
    CHECK(events[0].who() == "anna/d2");
    CHECK(events[0].source == Address::v4(192, 0, 2, 9));
    CHECK(events[0].reject == authz::Reject::stale);
    CHECK(events[1].who().empty());
    CHECK(events[2].kind == authz::EventKind::refusals_suppressed);
    CHECK(events[2].count == 5);
    CHECK(events[3].kind == authz::EventKind::knocks_suppressed);
    CHECK(events[3].count == 3);
}

TEST_CASE("a refusal by a configuration that was loaded meanwhile says so in the event of its outcome, once") {
    Judging j;
    j.peer.grants.answers = {authz::Answer::refused};
    RequestGrant request = request_for(0, 1);
    request.generation = 0; // the worker has not read the new one yet
    j.peer.send_message(request);
    privsep::Outcome outcome = refusal_of(0, Address::v4(192, 0, 2, 9));
    outcome.was_read = 1;
    outcome.action = static_cast<std::uint8_t>(Action::open);
    outcome.address = Address::v4(192, 0, 2, 9).bytes;
    outcome.reject = static_cast<std::uint32_t>(authz::Reject::refused);
    j.peer.send_message(outcome);
    j.peer.send_message(outcome); // of another knock
    CHECK(j.peer.goes_on());
    const auto& events = j.peer.events.all;
    REQUIRE(events.size() == 2);
    CHECK(events[0].reject == authz::Reject::refused);
    CHECK(events[0].detail == "the configuration that was loaded meanwhile does not allow it");
    CHECK(events[1].detail.empty());
}

TEST_CASE("notices become events, and the clock is known") {
    Judging j;
    j.peer.send_message(notice_of(NoticeKind::clock_wrong));
    CHECK(j.peer.goes_on());
    CHECK(j.peer.monitor->clock_is_wrong());
    j.peer.send_message(notice_of(NoticeKind::clock_right));
    j.peer.send_message(notice_of(NoticeKind::locked_for_good, 2));
    j.peer.send_message(notice_of(NoticeKind::locked_for_good, 77)); // who is gone
    CHECK(j.peer.goes_on());
    CHECK_FALSE(j.peer.monitor->clock_is_wrong());
    const auto& events = j.peer.events.all;
    REQUIRE(events.size() == 3);
    CHECK(events[0].kind == authz::EventKind::clock_wrong);
    CHECK(events[1].kind == authz::EventKind::clock_right);
    CHECK(events[2].kind == authz::EventKind::locked);
    CHECK(events[2].user == "anna");
    CHECK(events[2].device == "d2");
}

TEST_CASE("a worker that hangs is given up after ten unanswered pings, and the watchdog hears of it before") {
    Judging j;
    for (unsigned ping = 0; ping < 11; ++ping) {
        CHECK(j.peer.monitor->on_tick() == (ping < 3));
        CHECK(j.peer.owner.ends.empty());
    }
    CHECK_FALSE(j.peer.monitor->on_tick());
    CHECK_FALSE(j.peer.monitor->on_tick());
    CHECK(j.peer.owner.ends == std::vector<std::string>{"xknock-worker does not answer"}); // told once
}

TEST_CASE("a worker that answers late is well again") {
    Judging j;
    for (unsigned ping = 0; ping < 6; ++ping)
        j.peer.monitor->on_tick();
    Pong pong;
    for (pong.number = 1; pong.number <= 6; ++pong.number)
        j.peer.send_message(pong);
    CHECK(j.peer.goes_on());
    CHECK(j.peer.monitor->on_tick());
}

TEST_CASE("a worker that ends is told to the owner") {
    Judging j;
    j.peer.worker.reset();
    CHECK_FALSE(j.peer.goes_on());
    CHECK(j.peer.end() == "xknock-worker ended");
}

TEST_CASE("the horizon is raised when the worker says so, and not before") {
    Devices devices(1);
    Peer peer(50ms);
    peer.load(devices.config, 1);
    CHECK_FALSE(peer.monitor->raise_horizon());
    peer.hear<RaiseHorizon>();
    peer.send_message(HorizonRaised{}); // late: of the first, which was given up
    CHECK(peer.goes_on());
    peer.send_message(HorizonRaised{});
    REQUIRE(peer.monitor->raise_horizon());
}

TEST_CASE("panic, unlocking and the clock go to the worker without an answer") {
    Judging j;
    REQUIRE(j.peer.monitor->set_panic(true));
    CHECK(j.peer.hear<privsep::Panic>().on == 1);
    REQUIRE(j.peer.monitor->unlock(Devices::id_of(2)));
    CHECK(j.peer.hear<Unlock>().credential == Devices::id_of(2));
    REQUIRE(j.peer.monitor->accept_clock());
    j.peer.hear<AcceptClock>();
}

TEST_CASE("a worker that is silent or sends something else is not set up") {
    const auto first_words = [](const std::function<void(Channel&)>& worker) {
        auto ends = Channel::pair().value();
        worker(ends.second);
        const Child child{-1, std::move(ends.first)};
        auto begin = set_up_worker(child, Setup{}, {}, 10ms);
        return begin ? std::to_string(begin->begin) : begin.error().message;
    };
    const auto ready = [](std::uint32_t begin) {
        return [begin](Channel& c) {
            Ready message;
            message.begin = begin;
            REQUIRE(send(c, message));
        };
    };
    for (const std::uint32_t begin : {0u, kResumed, kTakenOver, kUnreadable})
        CHECK(first_words(ready(begin)) == std::to_string(begin));
    CHECK(first_words(ready(kUnreadable + 1)) ==
          "xknock-worker said something that makes no sense: a beginning of no kind");
    CHECK(first_words([](Channel&) {}) == "xknock-worker does not come up");
    CHECK(first_words([](Channel& c) { REQUIRE(send(c, Pong{})); }) ==
          "xknock-worker said something that makes no sense: pong in the wrong phase");
}
