// SPDX-License-Identifier: MIT
//
// How the worker gets its secrets, and what it makes of a peer that sends more than it can answer.
#include "tests/unit/worker/test_worker.h"

#include <sys/socket.h>

#include <algorithm>

using namespace xk;
using namespace xk::test;

TEST_CASE("the worker requests a few secrets at a time, and judges when it has read all of them") {
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
    CHECK(w.read_tags() == TagScope::all);
    CHECK(w.tags.size() == 40);
}

TEST_CASE("the worker ends when a configuration is to count before each credential has had its own secrets, once and "
          "in order") {
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
    for (const auto& [name, attempt] : attempts) {
        const std::string what = name;
        CAPTURE(what);
        TestWorker w(20);
        CHECK(w.begin().next == 0);
        attempt(w);
        CHECK(w.ends());
    }
}

TEST_CASE("while the worker cannot answer, it takes any number of bans at once and keeps little memory") {
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
#if !defined(XK_SANITIZED)
    MESSAGE("the worker has had ", w.most_memory(), " MiB at most");
    CHECK(w.most_memory() < 48);
#endif
}

TEST_CASE("the worker ends when more messages wait than it keeps") {
    TestWorker w(0);
    for (Ping ping; ping.number < 200'000 && send(w.worker.channel, ping); ++ping.number)
        ;
    CHECK(w.ends());
}

TEST_CASE("a change of one credential reads its secrets and publishes its tags, and nobody else's") {
    TestWorker w(1000);
    w.judge();
    const auto before = w.tags;
    CHECK(before.size() == 1000);
    authz::PolicyChange change;
    change.places = 1001;
    w.credentials[500].factor = FactorKind::none;
    change.changed = {{500, w.credentials[500]}, {1000, w.credentials[0]}};
    change.changed[1].credential.id = {7};
    change.emptied = {3};
    w.hand_over(change, 6, 5);
    CHECK(w.next<SecretsRead>()->next == 0);
    Secrets secrets;
    secrets.count = 2;
    const Fd files[] = {file_with(key_of(10)), file_with(key_of(11))};
    const int fds[] = {files[0].get(), files[1].get()};
    REQUIRE(send(w.worker.channel, secrets, fds));
    CHECK(w.next<SecretsRead>()->next == 2);
    REQUIRE(send(w.worker.channel, Activate{}));
    TagScope scope = w.read_tags();
    if (scope == TagScope::more) // a slot began meanwhile, or none
        scope = w.read_tags();
    CHECK(scope == TagScope::changed);
    CHECK(w.tag_messages == 1);
    REQUIRE(w.tags.size() == 2);
    CHECK(w.tags.contains(1000));
    for (const auto& tag : w.tags[500])
        CHECK_FALSE(before.at(500).contains(tag));

    // All of it: the others have what they had, and place 3 nothing.
    REQUIRE(send(w.worker.channel, AcceptClock{}));
    CHECK(w.read_tags() == TagScope::all);
    CHECK(w.tags.size() == 1000);
    CHECK_FALSE(w.tags.contains(3));
    for (const auto& [place, tags] : w.tags)
        if (place != 500 && place != 1000) {
            const auto& then = before.at(place);
            CHECK(std::ranges::count_if(tags, [&](const auto& tag) { return then.contains(tag); }) > 0);
        }
}

namespace {

// The steps of one publication, over all of its messages. Tags of slots that begin meanwhile are skipped.
std::vector<StepRecord> read_steps(TestWorker& w) {
    std::vector<StepRecord> steps;
    for (bool first = true;; first = false) {
        const auto message = w.next<Steps>();
        REQUIRE(message.has_value());
        CHECK((message->first == 1) == first);
        steps.insert(steps.end(), message->steps, message->steps + message->count);
        if (message->last == 1)
            return steps;
    }
}

std::vector<std::uint16_t> ports_of(const std::vector<StepRecord>& steps, std::uint32_t place, Slot slot) {
    std::vector<std::uint16_t> ports;
    std::uint64_t node = slot;
    for (const StepRecord& step : steps)
        if (step.place == place && step.slot == slot) {
            CHECK(step.node == node);
            node = step.next;
            ports.push_back(step.port);
        }
    CHECK(node == 0);
    return ports;
}

} // namespace

TEST_CASE("the ports of those who may knock so are published, and of nobody else") {
    TestWorker w(200);
    for (const std::uint32_t place : {4u, 6u})
        w.credentials[place].modes = 3; // packets and sequences
    w.credentials[8].modes = 2;         // sequences alone
    w.judge();
    CHECK(w.tags.size() == 199);
    CHECK_FALSE(w.tags.contains(8));
    const auto steps = read_steps(w);
    std::set<std::uint32_t> places;
    std::set<Slot> slots;
    for (const StepRecord& step : steps) {
        places.insert(step.place);
        slots.insert(step.slot);
        CHECK(step.expires - step.not_before == 35'000'000'000); // the slot, and five seconds
    }
    CHECK(places == std::set<std::uint32_t>{4, 6, 8});
    const Slot slot = *slots.rbegin() - 1; // of the publication
    CHECK(slots.contains(slot));
    CHECK(slot_of(Now::read().wall) - slot <= 1);
    CHECK(steps.size() == 6 * places.size() * slots.size());
    Key key;
    key.fill(9);
    CredentialKeys keys;
    derive_keys(keys, key, wire::ServerId{}, w.credentials[6].id);
    CHECK(ports_of(steps, 6, slot) == sequence::strong_ports(keys.sequence, slot, 6));
    CHECK(ports_of(steps, 6, slot + 1) == sequence::strong_ports(keys.sequence, slot + 1, 6));

    // A hand-over publishes all of them again: 4 and 6 have lost them.
    authz::PolicyChange change;
    change.places = 200;
    change.emptied = {4};
    w.credentials[6].modes = 1;
    change.changed = {{6, w.credentials[6]}};
    w.hand_over(change, 6, 5);
    CHECK(w.next<SecretsRead>()->next == 0);
    w.give(0, w.keys(1));
    CHECK(w.next<SecretsRead>().has_value());
    REQUIRE(send(w.worker.channel, Activate{}));
    for (const StepRecord& step : read_steps(w))
        CHECK(step.place == 8);
}

TEST_CASE("the ports of c-lock are published under a root of their own") {
    TestWorker w(20);
    w.credentials[5].modes = 4; // c-lock alone
    w.judge();
    const auto steps = read_steps(w);
    REQUIRE(steps.size() % 4 == 0);
    for (std::size_t i = 0; i < steps.size(); ++i) {
        CHECK(steps[i].place == 5);
        CHECK((i % 4 == 3) == (steps[i].next == 0));
        CHECK(steps[i].node == (i % 4 == 0 ? steps[i].slot | std::uint64_t{1} << 62 : steps[i - 1].next));
    }
}

TEST_CASE("ports of c-lock that two devices share in a slot are published for neither, and that is logged once") {
    const WorkerLog log;
    TestWorker w(20);
    w.credentials[5].modes = w.credentials[7].modes = 4; // the secrets of both are the same
    w.judge();
    CHECK(read_steps(w).empty());
    REQUIRE(send(w.worker.channel, Ping{}));
    REQUIRE(w.next<Pong>().has_value());
    const std::string text = log.text();
    const auto first = text.find("have the same code of c-lock");
    REQUIRE(first != text.npos);
    CHECK(text.find("have the same code of c-lock", first + 1) == text.npos);
}

TEST_CASE("other settings change the tags of everybody") {
    TestWorker w(20);
    w.judge();
    authz::PolicyChange change;
    change.places = 20;
    change.settings.skew = std::chrono::seconds(120);
    w.hand_over(change, 6, 5);
    CHECK(w.next<SecretsRead>()->next == 0);
    REQUIRE(send(w.worker.channel, Activate{}));
    CHECK(w.read_tags() == TagScope::all);
    CHECK(w.tags.size() == 20);
}

TEST_CASE("a change that makes no sense ends the worker") {
    authz::PolicyChange sound;
    sound.places = 20;
    const std::pair<const char*, std::function<void(TestWorker&)>> attempts[] = {
        {"of another configuration", [&](TestWorker& w) { w.hand_over(sound, 6, 4); }},
        {"of nothing, while one counts", [&](TestWorker& w) { w.hand_over(sound, 6, 0); }},
        {"a place that there is not",
         [&](TestWorker& w) {
             authz::PolicyChange change = sound;
             change.emptied = {20};
             w.hand_over(change, 6, 5);
         }},
        {"fewer places than there are",
         [&](TestWorker& w) {
             authz::PolicyChange change = sound;
             change.places = 19;
             w.hand_over(change, 6, 5);
         }},
        {"a credential of nobody",
         [&](TestWorker& w) {
             authz::PolicyChange change = sound;
             change.changed.push_back({1, {}});
             w.hand_over(change, 6, 5);
         }},
        {"a file that is cut",
         [&](TestWorker& w) {
             auto file = write_policy_file(sound).value();
             file.message.generation = 6;
             file.message.base = 5;
             file.message.changed = 1;
             const int fd = file.file.get();
             CHECK(send(w.worker.channel, file.message, {&fd, 1}));
         }},
        {"without its file",
         [&](TestWorker& w) {
             NewPolicy message;
             message.base = 5;
             CHECK(send(w.worker.channel, message));
         }},
    };
    for (const auto& [name, attempt] : attempts) {
        const std::string what = name;
        CAPTURE(what);
        TestWorker w(20);
        w.judge();
        attempt(w);
        CHECK(w.ends());
    }
}

TEST_CASE("a message that xknockd must not send now ends the worker") {
    const std::pair<const char*, std::function<void(TestWorker&)>> attempts[] = {
        {"unlocking while nothing counts", [](TestWorker& w) { CHECK(send(w.worker.channel, Unlock{})); }},
        {"a reply while nothing counts", [](TestWorker& w) { CHECK(send(w.worker.channel, ReplyGrant{})); }},
        {"a commitment while nothing counts", [](TestWorker& w) { CHECK(send(w.worker.channel, GrantCommitted{})); }},
        {"being set up twice",
         [](TestWorker& w) {
             const int fds[] = {STDERR_FILENO, STDERR_FILENO};
             CHECK(send(w.worker.channel, Setup{}, fds));
         }},
        {"a reply that it did not ask for",
         [](TestWorker& w) {
             w.judge();
             CHECK(send(w.worker.channel, ReplyGrant{}));
         }},
        {"a worker's own message", [](TestWorker& w) { CHECK(send(w.worker.channel, Pong{})); }},
        {"a message of no type", [](TestWorker& w) { CHECK(w.worker.channel.send(Bytes<64>{77})); }},
        {"a ban with a descriptor",
         [](TestWorker& w) {
             const int fd = STDERR_FILENO;
             CHECK(send(w.worker.channel, privsep::Ban{}, {&fd, 1}));
         }},
        {"a ping of another size", [](TestWorker& w) { CHECK(w.worker.channel.send(Bytes<12>{10})); }},
    };
    for (const auto& [name, attempt] : attempts) {
        const std::string what = name;
        CAPTURE(what);
        TestWorker w(20);
        attempt(w);
        CHECK(w.ends());
    }
}

TEST_CASE("a message that is too long ends the worker, whatever it waits for") {
    const std::vector<std::uint8_t> too_long(kMaxMessage + 1);
    const std::pair<const char*, std::function<void(TestWorker&)>> waits[] = {
        {"a message", [](TestWorker&) {}},
        {"room for an answer",
         [](TestWorker& w) {
             for (Ping ping; ping.number < 5000; ++ping.number)
                 CHECK(send(w.worker.channel, ping));
         }},
        {"the reply to a request",
         [](TestWorker& w) {
             w.judge();
             CHECK(w.next<RequestGrant>().has_value());
         }},
    };
    for (const auto& [name, wait] : waits) {
        const std::string what = name;
        CAPTURE(what);
        const WorkerLog log;
        TestWorker w(1, [](authz::State& state) {
            authz::Asked asked{};
            asked.credential = {1};
            asked.arrived = BootClock::now().time_since_epoch().count();
            REQUIRE(state.keep(asked) == 0);
        });
        wait(w);
        REQUIRE(w.worker.channel.send(too_long));
        CHECK(w.ends());
        CAPTURE(log.text());
        CHECK(log.has("a message between xknockd and its worker is too long"));
    }
}

TEST_CASE("a later commitment belongs to the request that it names, in any order") {
    constexpr std::uint32_t kKept = 3;
    TestWorker w(20, [](authz::State& state) {
        for (std::uint32_t i = 0; i < kKept; ++i) {
            authz::Asked asked{};
            asked.credential = {1, 0, static_cast<std::uint8_t>(i)};
            asked.request.address = Address::v4(192, 0, 2, static_cast<std::uint8_t>(i));
            asked.arrived = BootClock::now().time_since_epoch().count();
            REQUIRE(state.keep(asked) == i);
        }
    });
    const auto live = [&] {
        std::vector<std::uint64_t> all;
        const auto* image = reinterpret_cast<const authz::StateImage*>(w.state_memory.data());
        for (std::uint32_t i = 0; i < kKept; ++i)
            all.push_back(image->asked[i].live);
        return all;
    };
    w.judge(); // and then it asks again for what a worker before it was promised
    std::vector<std::uint32_t> sequences;
    for (std::uint32_t i = 0; i < kKept; ++i) {
        const auto request = w.next<RequestGrant>();
        REQUIRE(request.has_value());
        CHECK(request->address[15] == i);
        sequences.push_back(request->sequence);
        ReplyGrant reply;
        reply.sequence = request->sequence;
        reply.answer = authz::Answer::waiting;
        REQUIRE(send(w.worker.channel, reply));
    }
    const auto commit = [&](std::uint32_t sequence, bool failed) {
        GrantCommitted message;
        message.sequence = sequence;
        message.failed = failed;
        REQUIRE(send(w.worker.channel, message));
        REQUIRE(send(w.worker.channel, Ping{}));
        REQUIRE(w.next<Pong>().has_value());
    };
    CHECK(live() == std::vector<std::uint64_t>{1, 1, 1});
    commit(sequences[1], false);
    CHECK(live() == std::vector<std::uint64_t>{1, 0, 1});
    commit(sequences[1], false); // once
    commit(sequences[2] + 1, false);
    CHECK(live() == std::vector<std::uint64_t>{1, 0, 1});
    commit(sequences[2], true);
    CHECK(live() == std::vector<std::uint64_t>{1, 0, 0});
    commit(sequences[0], false);
    CHECK(live() == std::vector<std::uint64_t>{0, 0, 0});
}

TEST_CASE("a reply to another request ends the worker") {
    TestWorker w(20, [](authz::State& state) {
        authz::Asked asked{};
        asked.credential = {1};
        asked.arrived = BootClock::now().time_since_epoch().count();
        REQUIRE(state.keep(asked) == 0);
    });
    w.judge();
    const auto request = w.next<RequestGrant>();
    REQUIRE(request.has_value());
    ReplyGrant reply;
    reply.sequence = request->sequence + 1;
    REQUIRE(send(w.worker.channel, reply));
    CHECK(w.ends());
}

TEST_CASE("a request that cannot be sent ends the worker with the error") {
    const WorkerLog log;
    TestWorker w(20, [](authz::State& state) {
        authz::Asked asked{};
        asked.credential = {1};
        asked.arrived = BootClock::now().time_since_epoch().count();
        REQUIRE(state.keep(asked) == 0);
        REQUIRE(state.keep(asked) == 1);
    });
    w.judge();
    const auto first = w.next<RequestGrant>();
    REQUIRE(first.has_value());
    REQUIRE(::shutdown(w.worker.channel.fd(), SHUT_RD) == 0);
    ReplyGrant reply;
    reply.sequence = first->sequence;
    reply.answer = authz::Answer::done;
    REQUIRE(send(w.worker.channel, reply));
    { const Channel closed = std::move(w.worker.channel); }
    int status = 0;
    REQUIRE(::waitpid(w.worker.pid, &status, 0) == w.worker.pid);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == static_cast<int>(Exit::failed)));
    CHECK(log.has("sending between xknockd and its worker"));
}

TEST_CASE("no MAC key of a tag stays in the worker's memory when the tag was published") {
    TestWorker w(20);
    w.judge();
    CHECK(w.mac_keys.size() >= 20);
    REQUIRE(send(w.worker.channel, Ping{}));
    REQUIRE(w.next<Pong>().has_value()); // it is done with the publication
    const std::string memory = w.memory();
    const auto holds = [&](const auto& bytes) {
        return memory.find({reinterpret_cast<const char*>(bytes.data()), bytes.size()}) != memory.npos;
    };
    for (const auto& [place, tags] : w.tags)
        for (Bytes<8> tag : tags) {
            std::ranges::reverse(tag); // it keeps them as numbers
            CHECK(holds(tag));
        }
    for (const auto& key : w.mac_keys)
        CHECK_FALSE(holds(key));
}

TEST_CASE(
    "of a damaged state the worker repeats no request that makes no sense, or xknockd would end it again and again") {
    authz::Asked asked{};
    asked.credential = {1};
    asked.arrived = BootClock::now().time_since_epoch().count();
    TestWorker w(20, [&](authz::State& state) {
        auto& image = const_cast<authz::StateImage&>(state.image());
        for (std::uint8_t i = 0; i < 2; ++i) {
            REQUIRE(state.keep(asked) == i);
            authz::PendingUse& use = state.pending()[i];
            use.token = {{1}, {i}};
            use.action = Action::open;
            use.arrived = use.begun = asked.arrived;
            use.live = 1;
        }
        image.asked[0].request.endpoint.protocol = IpProtocol{99};
        std::memset(&state.pending()[0].request.single_use, 2, 1);
    });
    w.judge();
    for (int sound = 0; sound < 2; ++sound) {
        const auto request = w.next<RequestGrant>();
        REQUIRE(request.has_value());
        CHECK(checked(*request).has_value());
        ReplyGrant reply;
        reply.sequence = request->sequence;
        reply.answer = authz::Answer::done;
        REQUIRE(send(w.worker.channel, reply));
    }
    const auto outcome = w.next<Outcome>(); // of the use; nobody waits for the outcome of the other
    REQUIRE(outcome.has_value());
    CHECK(outcome->kind == static_cast<std::uint32_t>(OutcomeKind::accepted));
    REQUIRE(send(w.worker.channel, Ping{}));
    CHECK(w.next<Pong>().has_value());
}
