// SPDX-License-Identifier: MIT
// Answers to dump requests, as Linux 6.18 sent them, and as it sends them when something changes meanwhile.
#include "daemon/nft/dump.h"

#include "daemon/nft/element.h"

#include <doctest/doctest.h>

#include <linux/netfilter/nfnetlink.h>

#include <cstddef>
#include <cstring>
#include <vector>

using namespace xk;
using namespace xk::nft;

namespace {

// Two datagrams of "nft list set": two elements; then an empty list and NLMSG_DONE. Sequence number 7.
constexpr const char* kElements =
    "a40000000c0a0200070000008a140000010000040b000100786b6e6f636b00000c0002006772616e7473340078000300300001001400010010"
    "000100c000020811000000003500000c000400000000000036ee800c000500000000000036ee7c440001001400010010000100c00002070600"
    "0000001600000c000400000000000036ee800c000500000000000036ee7c12000600000c616e6e612f6c6170746f70000000";
constexpr const char* kEnd =
    "300000000c0a0200070000008a140000010000040b000100786b6e6f636b00000c0002006772616e7473340004000300"
    "1400000003000200070000008a14000000000000";
constexpr std::uint32_t kSequence = 7;

// Aligned for nlmsghdr, as any allocation is.
using Datagram = std::vector<char>;

Datagram bytes_of(const char* hex) {
    Datagram bytes;
    for (; *hex != 0; hex += 2) {
        const char digits[] = {hex[0], hex[1], 0};
        bytes.push_back(static_cast<char>(std::stoi(digits, nullptr, 16)));
    }
    return bytes;
}

nlmsghdr& header_at(Datagram& bytes, std::size_t offset) { return *reinterpret_cast<nlmsghdr*>(bytes.data() + offset); }

constexpr std::size_t kDoneAt = 48; // of the message within kEnd

Datagram elements(std::uint16_t more_flags = 0) {
    Datagram bytes = bytes_of(kElements);
    header_at(bytes, 0).nlmsg_flags = static_cast<std::uint16_t>(header_at(bytes, 0).nlmsg_flags | more_flags);
    return bytes;
}

Datagram end(std::uint16_t more_flags = 0, int code = 0) {
    Datagram bytes = bytes_of(kEnd);
    nlmsghdr& done = header_at(bytes, kDoneAt);
    done.nlmsg_flags = static_cast<std::uint16_t>(done.nlmsg_flags | more_flags);
    std::memcpy(bytes.data() + kDoneAt + NLMSG_HDRLEN, &code, sizeof code);
    return bytes;
}

// NLMSG_ERROR: the code, and the header that it answers.
Datagram error(int code) {
    Datagram bytes(NLMSG_HDRLEN + sizeof(nlmsgerr));
    header_at(bytes, 0) = {static_cast<std::uint32_t>(bytes.size()), NLMSG_ERROR, 0, kSequence, 0};
    std::memcpy(bytes.data() + NLMSG_HDRLEN, &code, sizeof code);
    return bytes;
}

// Feeds the datagrams; the last one, and only that, must end the dump.
Result<Dump> feed(const std::vector<Datagram>& datagrams) {
    Dump dump(kSequence);
    for (std::size_t i = 0; i < datagrams.size(); ++i) {
        const auto last = dump.add_datagram(datagrams[i]);
        if (!last)
            return last.error();
        CHECK(*last == (i + 1 == datagrams.size()));
    }
    return dump;
}

std::vector<Element> elements_of(const Dump& dump) {
    std::vector<Element> all;
    dump.for_each_message([&](const nlmsghdr* h) {
        const auto list = parse_elements(h);
        REQUIRE(list);
        CHECK(list->set == SetName{"xknock", "grants4"});
        all.insert(all.end(), list->elements.begin(), list->elements.end());
    });
    return all;
}

} // namespace

TEST_CASE("a dump that nothing interrupts holds all messages of its datagrams, in their order") {
    const Dump dump = feed({elements(), end()}).value();
    CHECK_FALSE(dump.was_interrupted());
    const auto found = elements_of(dump);
    REQUIRE(found.size() == 2);
    CHECK(found[0].key == grant_key(Address::v4(192, 0, 2, 8), Endpoint::parse("udp/53").value()));
    CHECK(found[0].comment.empty());
    CHECK(found[1].key == grant_key(Address::v4(192, 0, 2, 7), Endpoint::parse("tcp/22").value()));
    CHECK(found[1].comment == "anna/laptop");
    CHECK(found[1].timeout == std::chrono::hours(1));
    CHECK(found[1].expires == std::chrono::milliseconds(0x36ee7c));
}

TEST_CASE("a dump with NLM_F_DUMP_INTR in any of its messages was interrupted") {
    CHECK(feed({elements(NLM_F_DUMP_INTR), end()}).value().was_interrupted());
    CHECK(feed({elements(), end(NLM_F_DUMP_INTR)}).value().was_interrupted());
    CHECK(feed({end(NLM_F_DUMP_INTR)}).value().was_interrupted());
    CHECK_FALSE(feed({end()}).value().was_interrupted());
}

TEST_CASE("a dump whose messages are of two generations of the ruleset was interrupted, without any mark") {
    Datagram later = end();
    later[NLMSG_HDRLEN + offsetof(nfgenmsg, res_id) + 1] = 5; // big-endian; it was 4
    CHECK(feed({elements(), later}).value().was_interrupted());
    CHECK_FALSE(feed({later}).value().was_interrupted());
}

TEST_CASE("messages of another request say nothing of this one") {
    Datagram stale = elements(NLM_F_DUMP_INTR);
    header_at(stale, 0).nlmsg_seq = 6;
    Datagram refusal = error(-EPERM);
    header_at(refusal, 0).nlmsg_seq = 8;
    const Dump dump = feed({stale, refusal, elements(), end()}).value();
    CHECK_FALSE(dump.was_interrupted());
    CHECK(elements_of(dump).size() == 2);
}

TEST_CASE("what is not there is an empty list, and what went away half way was interrupted") {
    for (const Datagram& ending : {error(-ENOENT), error(0)}) {
        const Dump dump = feed({ending}).value();
        CHECK_FALSE(dump.was_interrupted());
        CHECK(elements_of(dump).empty());
    }
    CHECK(feed({elements(), end(0, -ENOENT)}).value().was_interrupted());
    CHECK(feed({elements(), error(-ENOENT)}).value().was_interrupted());
    for (const int code : {-EINTR, -EAGAIN}) {
        CHECK(feed({error(code)}).value().was_interrupted());
        CHECK(feed({elements(), end(0, code)}).value().was_interrupted());
    }
}

TEST_CASE("a refusal is an error, at the begin and half way") {
    for (const std::vector<Datagram>& answer :
         {std::vector<Datagram>{error(-EPERM)}, std::vector<Datagram>{elements(), end(0, -EPERM)}}) {
        const auto refused = feed(answer);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().message == "nf_tables refused a dump: Operation not permitted");
        CHECK(refused.error().hint.find("CAP_NET_ADMIN") != std::string::npos);
    }
    CHECK(feed({error(-ENOMEM)}).error().hint.empty());
    Datagram cut = error(-EPERM);
    cut.resize(NLMSG_HDRLEN);
    header_at(cut, 0).nlmsg_len = NLMSG_HDRLEN;
    Datagram headless = elements();
    headless.resize(NLMSG_HDRLEN + sizeof(nfgenmsg) - 1);
    header_at(headless, 0).nlmsg_len = static_cast<std::uint32_t>(headless.size());
    CHECK(feed({headless}).error().message == "a message of nf_tables is cut");
    CHECK(feed({cut}).error().message == "the kernel ended an answer without a code");
}

TEST_CASE("a dump is requested again until nothing interrupts it") {
    int requests = 0;
    const auto dump = repeat_until_whole([&]() -> Result<Dump> {
        ++requests;
        return requests < 3 ? feed({elements(), end(NLM_F_DUMP_INTR)}) : feed({end()});
    });
    REQUIRE(dump);
    CHECK(requests == 3);
    CHECK(elements_of(*dump).empty()); // of the last one alone
}

TEST_CASE("what changes without end is an error after a bounded number of dumps, and a refusal at once") {
    int requests = 0;
    const auto endless = repeat_until_whole([&] {
        ++requests;
        return feed({elements(NLM_F_DUMP_INTR), end()});
    });
    REQUIRE_FALSE(endless);
    CHECK(endless.error().message == "nf_tables changes faster than it can be listed");
    CHECK(requests == kMostDumps);
    requests = 0;
    CHECK_FALSE(repeat_until_whole([&] {
        ++requests;
        return feed({error(-EPERM)});
    }));
    CHECK(requests == 1);
}
