// SPDX-License-Identifier: MIT
#include "daemon/authz/state_read.h"

#include "daemon/authz/state_before.h"
#include "fixtures.h"

#include <cstddef>
#include <cstring>
#include <functional>
#include <utility>

using namespace xk;
using namespace xk::test;

namespace {

const Now kNow{WallTime(1'700'000'000s), BootTime(5'000s)};
const Bytes<16> kNextBoot = {9};
constexpr std::size_t kEntries = 64;

ByteView view(const std::string& s) { return {reinterpret_cast<const std::uint8_t*>(s.data()), s.size()}; }

template <typename T>
std::string bytes_of(const T& value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}
template <typename T>
std::string bytes_of(const std::vector<T>& values) {
    return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

StateFit fit_of_copy(const std::string& copy) {
    StateContents contents;
    return read_copy(view(copy), contents);
}
bool is_refused(StateFit fit) { return !complaint_of(fit).empty(); }

// A locked device, one that used a code, a question that waits, and knocks.
struct Remembering {
    StateMemory memory{kEntries};
    State state{memory.bytes()};

    Remembering() {
        state.begin_boot(kBoot, kNow, 30s, nullptr);
        state.credential({1})->locked_until = kLockedForGood;
        state.credential({2})->code_step = 55;
        state.credential({2})->failures = 3;
        state.raise_high_slot(100);
        state.header().rejects[3] = 12;
        for (const auto progress : {Progress::judged, Progress::waiting, Progress::done}) {
            const auto number = static_cast<std::uint8_t>(progress);
            state.replay().remember({{2}, {number}, {number}}, 100, address("192.0.2.7"), 100)->progress = progress;
        }
        REQUIRE(state.keep({{7, address("192.0.2.7"), 5, {}, {IpProtocol::tcp, 22}, true, 60}, {2}, {4}, 1, 0}));
    }
    std::string copy(bool clean = true) {
        return save_state(memory.image(), state.replay().entries(), {kNow.wall + 60s, kNow.boot + 60s}, clean);
    }
    std::string file() {
        return std::string(reinterpret_cast<const char*>(memory.bytes().data()), memory.bytes().size());
    }
};

void check_remembered(const State& state) {
    CHECK(state.is_of(kBoot));
    CHECK(state.header().high_slot == 100);
    CHECK(state.header().rejects[3] == 12);
    REQUIRE(state.find({1}) != nullptr);
    CHECK(state.find({1})->locked_until == kLockedForGood);
    CHECK(state.find({2})->code_step == 55);
    CHECK(state.find({2})->failures == 3);
    CHECK(state.find({3}) == nullptr);
    for (const auto progress : {Progress::judged, Progress::waiting, Progress::done}) {
        const auto number = static_cast<std::uint8_t>(progress);
        const auto found = state.replay().find({{2}, {number}, {number}}, address("192.0.2.7"));
        REQUIRE(found.packet != nullptr);
        CHECK(found.packet->progress == progress);
        CHECK(found.packet->slot == 100);
        CHECK(found.packet->address == address("192.0.2.7"));
    }
    const Asked& asked = state.asked(0);
    CHECK(asked.live == 1);
    CHECK(asked.credential == wire::CredentialId{2});
    CHECK(asked.id == wire::RequestId{4});
    CHECK(asked.request.credential == 7);
    CHECK(asked.request.address == address("192.0.2.7"));
    CHECK(asked.request.service == 5);
    CHECK(asked.request.endpoint == Endpoint{IpProtocol::tcp, 22});
    CHECK(asked.request.single_use);
    CHECK(asked.request.lifetime == 60);
    CHECK(state.asked(1).live == 0);
}

// --- a file with whatever sections ---

struct Part {
    Section section;
    std::string bytes;
};
Part part(SectionType type, std::size_t record_size, std::string bytes) {
    Part made;
    made.section.type = type;
    made.section.version = 1;
    made.section.record_size = static_cast<std::uint32_t>(record_size);
    made.section.length = bytes.size();
    made.bytes = std::move(bytes);
    return made;
}

std::vector<Part> parts_of_copy() {
    StateHeader header{};
    header.high_slot = 100;
    CredentialState credential{};
    credential.id = {1};
    credential.failures = 9;
    ReplayEntry knock{};
    knock.progress = Progress::done;
    return {part(SectionType::judgement, sizeof header, bytes_of(header)),
            part(SectionType::credentials, sizeof credential, bytes_of(credential)),
            part(SectionType::replay, sizeof knock, bytes_of(knock))};
}

// `change` comes before the checksums.
std::string file_of(
    const std::vector<Part>& parts, const std::function<void(StateDirectory&)>& change = [](StateDirectory&) {}) {
    StateDirectory directory;
    directory.magic = kStateMagic;
    directory.boot_id = kBoot;
    directory.size = sizeof directory;
    std::string bytes;
    for (const Part& one : parts) {
        Section& section = directory.section[directory.sections++];
        section = one.section;
        section.offset = directory.size;
        section.checksum = checksum_of(view(one.bytes));
        directory.size += one.bytes.size();
        bytes += one.bytes;
    }
    change(directory);
    seal_directory(directory);
    return bytes_of(directory) + bytes;
}

// --- the release before ---

before::Header header_before(const Bytes<16>& boot) {
    before::Header h{};
    h.magic = kMagicBefore;
    h.boot_id = boot;
    h.hash_key = {1, 2, 3};
    h.high_slot = 100;
    h.horizon = 7;
    h.horizon_boot = 8;
    h.saved_boot = (kNow.boot).time_since_epoch().count();
    h.clean = 1;
    h.attempts = 2;
    h.attempt = {9, 9};
    h.refused_until = 10;
    h.wall_of_boot = 11;
    h.rejects[3] = 12;
    h.accepted[1] = 5;
    h.retries = 6;
    return h;
}
std::vector<before::Credential> credentials_before() {
    std::vector<before::Credential> records(2);
    records[0].id = {1};
    records[0].locked_until = kLockedForGood;
    records[1].id = {2};
    records[1].totp_step = 55;
    records[1].request = {4};
    records[1].address = address("192.0.2.7").bytes;
    records[1].last_address = address("192.0.2.9").bytes;
    records[1].last_accepted = 77;
    records[1].failures = 3;
    records[1].accepted = 8;
    records[1].wrong_code = 11;
    records[1].wrong_until = 12;
    return records;
}
std::vector<before::Replay> replay_before() {
    std::vector<before::Replay> records;
    for (std::uint8_t progress = 2; progress <= 5; ++progress)
        if (progress != 3)
            records.push_back({{2}, {progress}, {progress}, 100, address("192.0.2.7").bytes, progress, 0});
    return records;
}
std::string copy_before(std::uint64_t credentials = 2, std::uint64_t knocks = 3) {
    std::string copy = bytes_of(header_before(kBoot)) + bytes_of(std::vector<std::uint64_t>{credentials, knocks}) +
                       bytes_of(credentials_before()) + bytes_of(replay_before());
    return copy + bytes_of(checksum_of(view(copy)));
}
std::string file_before(const Bytes<16>& boot, std::size_t entries) {
    auto image = std::make_unique<before::Image>();
    image->header = header_before(boot);
    std::ranges::copy(credentials_before(), image->credentials.begin());
    before::Asked& asked = image->asked[17];
    asked.credential_index = 7;
    asked.address = address("192.0.2.7").bytes;
    asked.service = 5;
    asked.protocol = static_cast<std::uint8_t>(IpProtocol::tcp);
    asked.port = 22;
    asked.single_use = 1;
    asked.lifetime = 60;
    asked.credential = {2};
    asked.id = {4};
    asked.arrived = 1;
    asked.live = 1;
    std::vector<before::Replay> replay(entries);
    std::ranges::copy(replay_before(), replay.begin());
    return bytes_of(*image) + bytes_of(replay);
}

} // namespace

TEST_CASE("a copy is read as it was written") {
    Remembering before;
    StateContents contents;
    REQUIRE(read_copy(view(before.copy()), contents) == StateFit::whole);
    CHECK(contents.boot_id == kBoot);
    CHECK(contents.header.clean == 1);
    CHECK(contents.credentials.size() == 2);
    CHECK(contents.replay.size() == 3);
    CHECK(contents.asked.empty()); // nothing goes on in another boot
    REQUIRE(read_copy(view(before.copy(false)), contents) == StateFit::whole);
    CHECK(contents.header.clean == 0);
    CHECK(contents.replay.empty());
    CHECK(is_clean_copy(view(before.copy())));
    CHECK_FALSE(is_clean_copy(view(before.copy(false))));
    CHECK_FALSE(is_clean_copy(view(before.copy() + "x")));
    CHECK_FALSE(is_clean_copy({}));
    CHECK(fit_of_copy("") == StateFit::empty);
}

TEST_CASE("a damaged copy is refused, whichever byte is wrong and wherever it ends") {
    Remembering before;
    for (const std::string& copy : {before.copy(), copy_before()}) {
        REQUIRE(fit_of_copy(copy) == StateFit::whole);
        for (std::size_t i = 0; i < copy.size(); ++i) {
            std::string changed = copy;
            changed[i] = static_cast<char>(changed[i] ^ 0x10);
            CHECK_MESSAGE(is_refused(fit_of_copy(changed)), "byte ", i);
        }
        for (std::size_t size = 1; size < copy.size(); ++size)
            CHECK_MESSAGE(is_refused(fit_of_copy(copy.substr(0, size))), "size ", size);
        CHECK(is_refused(fit_of_copy(copy + "x")));
        CHECK(is_refused(fit_of_copy(std::string(copy.size(), '\0')))); // as after some power cuts
    }
}

TEST_CASE("each section must be there once, whole, and of a version that is known") {
    REQUIRE(fit_of_copy(file_of(parts_of_copy())) == StateFit::whole);
    for (std::size_t i = 0; i < 3; ++i) {
        const auto with = [&](const std::function<void(std::vector<Part>&)>& change) {
            std::vector<Part> parts = parts_of_copy();
            change(parts);
            return fit_of_copy(file_of(parts));
        };
        const auto at = static_cast<std::ptrdiff_t>(i);
        CHECK(with([&](auto& parts) { parts.erase(parts.begin() + at); }) == StateFit::damaged);
        CHECK(with([&](auto& parts) { parts.push_back(parts[i]); }) == StateFit::damaged);
        CHECK(with([&](auto& parts) { parts[i].section.version = 2; }) == StateFit::newer);
        CHECK(with([&](auto& parts) {
                  parts[i].section.version = 2;
                  parts[i].section.optional = 1; // not for whom it would mean to forget
              }) == StateFit::newer);
        CHECK(with([&](auto& parts) { parts[i].section.version = 0; }) == StateFit::damaged);
        CHECK(with([&](auto& parts) { parts[i].section.record_size += 8; }) == StateFit::damaged);
        CHECK(with([&](auto& parts) { parts[i].section.record_size = 0; }) == StateFit::damaged);
        CHECK(with([&](auto& parts) { parts[i].section.length += 1; }) == StateFit::damaged);
        CHECK(with([&](auto& parts) { parts[i].section.length = UINT64_MAX - 7; }) == StateFit::damaged);
        CHECK(with([&](auto& parts) { parts[i].section.type = SectionType::none; }) == StateFit::damaged);
    }
    std::vector<Part> long_header = parts_of_copy();
    long_header[0].bytes += long_header[0].bytes;
    long_header[0].section.length = long_header[0].bytes.size();
    CHECK(fit_of_copy(file_of(long_header)) == StateFit::damaged); // two of what there is one of
}

TEST_CASE("sections of a release to come are left out where they say so, and refused where not") {
    std::vector<Part> parts = parts_of_copy();
    parts.push_back(part(static_cast<SectionType>(77), 3, "abcdef"));
    CHECK(fit_of_copy(file_of(parts)) == StateFit::newer);
    parts[3].section.optional = 1;
    StateContents contents;
    REQUIRE(read_copy(view(file_of(parts)), contents) == StateFit::whole);
    CHECK(contents.credentials.at(0).failures == 9);
    std::string changed = file_of(parts);
    changed.back() = static_cast<char>(changed.back() ^ 1); // of the section that nobody reads
    CHECK(fit_of_copy(changed) == StateFit::damaged);
    parts[3].section.optional = 2; // no release to come says so
    CHECK(fit_of_copy(file_of(parts)) == StateFit::newer);
}

TEST_CASE("a directory may be full") {
    std::vector<Part> parts = parts_of_copy();
    while (parts.size() < kMostSections) {
        parts.push_back(part(static_cast<SectionType>(77 + parts.size()), 1, "abcdef"));
        parts.back().section.optional = 1;
    }
    CHECK(fit_of_copy(file_of(parts)) == StateFit::whole);
}

TEST_CASE("a directory that lies is refused") {
    const auto with = [](const std::function<void(StateDirectory&)>& change) {
        return fit_of_copy(file_of(parts_of_copy(), change));
    };
    CHECK(with([](auto& d) { d.live = 1; }) == StateFit::damaged); // a live file in the place of the copy
    CHECK(with([](auto& d) { d.size += 1; }) == StateFit::damaged);
    CHECK(with([](auto& d) { d.sections = 2; }) == StateFit::damaged);
    CHECK(with([](auto& d) { d.sections = 4; }) == StateFit::damaged);
    CHECK(with([](auto& d) { d.sections = kMostSections + 1; }) == StateFit::damaged);
    CHECK(with([](auto& d) { d.section[1].offset -= 8; }) == StateFit::damaged); // they overlap
    CHECK(with([](auto& d) { std::swap(d.section[1], d.section[2]); }) == StateFit::damaged);
    CHECK(with([](auto& d) { d.magic = kStateMagic + 1; }) == StateFit::newer);
    CHECK(with([](auto& d) { d.magic = kStateMagic + 0x100; }) == StateFit::newer); // "14"
    CHECK(with([](auto& d) { d.magic = kMagicBefore - 1; }) == StateFit::too_old);
    CHECK(with([](auto& d) { d.magic = kStateMagic + 0x10000; }) == StateFit::damaged);
    CHECK(with([](auto& d) { d.magic = 0; }) == StateFit::damaged); // half of a copy is never seen
}

TEST_CASE("memory of this boot goes on in a file with other room, as if nothing had happened") {
    Remembering before;
    const std::string file = before.file();
    StateContents contents;
    REQUIRE(read_memory(view(file), kBoot, contents) == StateFit::whole);
    CHECK(contents.replay_entries == kEntries);
    for (const std::size_t entries : {std::size_t{3}, kEntries, kEntries + 5}) {
        StateMemory memory(entries);
        State state(memory.bytes());
        REQUIRE(state.take_over(contents));
        check_remembered(state);
        check_remembered(State(memory.bytes()));
        CHECK(state.fingerprint(view("a code")) == before.state.fingerprint(view("a code")));
    }
    StateMemory small(2);
    State state(small.bytes());
    CHECK_FALSE(state.take_over(contents));
    CHECK(small.image().directory.magic == 0);
    CHECK(all_zero(small.bytes()));
}

TEST_CASE("which file of memory it is, is known by its directory alone") {
    Remembering before;
    const std::string file = before.file();
    const auto look = [](const std::string& bytes, const Bytes<16>& boot) {
        return look_at_memory(view(bytes).first(std::min(bytes.size(), sizeof(StateDirectory))), bytes.size(), boot);
    };
    const MemoryFit found = look(file, kBoot);
    CHECK(found.fit == StateFit::whole);
    CHECK(found.as_ours);
    CHECK(found.replay_entries == kEntries);
    CHECK(look(file, kNextBoot).fit == StateFit::other_boot);
    CHECK(look("", kBoot).fit == StateFit::empty);
    const std::string directory = file.substr(0, sizeof(StateDirectory)); // all that is looked at
    for (std::size_t i = 0; i < directory.size(); ++i) {
        std::string changed = directory;
        changed[i] = static_cast<char>(changed[i] ^ 0x10);
        CHECK_MESSAGE(is_refused(look_at_memory(view(changed), file.size(), kBoot).fit), "byte ", i);
    }
    for (std::size_t size = 1; size < file.size(); size += size < 2 * directory.size() ? 1u : 4'001u) {
        const MemoryFit cut = look_at_memory(view(directory).first(std::min(size, directory.size())), size, kBoot);
        CHECK_MESSAGE(is_refused(cut.fit), "size ", size);
    }
    CHECK(is_refused(look(file + "x", kBoot).fit));
    std::string unfinished = file;
    std::memset(unfinished.data(), 0, sizeof(std::uint64_t));
    CHECK(look(unfinished, kBoot).fit == StateFit::empty); // a worker was ended while it began
    std::string newer = file;
    newer[0] = '5';
    CHECK(look(newer, kBoot).fit == StateFit::newer);
    CHECK(look(newer, kNextBoot).fit == StateFit::other_boot);
    newer[0] = '2';
    CHECK(look(newer, kBoot).fit == StateFit::too_old);
}

TEST_CASE("whatever stands in the sections of a live file, it is read and nothing more" * doctest::test_suite("long")) {
    Remembering before;
    std::string file = before.file();
    // Samples, because each look reads 8 MB.
    for (std::size_t i = sizeof(StateDirectory); i < file.size(); i += i < 4'096 ? 13 : 49'999) {
        const char original = std::exchange(file[i], static_cast<char>(~file[i]));
        StateContents contents;
        REQUIRE(read_memory(view(file), kBoot, contents) == StateFit::whole);
        CHECK(contents.credentials.size() <= 3); // of a free one may come a third
        file[i] = original;
    }
}

TEST_CASE("of a live file, what no worker can have written is left out") {
    Remembering before;
    PendingUse use{};
    use.token = {{2}, {4}};
    use.action = Action::open;
    use.live = 1;
    for (const std::size_t at : {0u, 1u, 2u})
        before.state.pending()[at] = use;
    std::memset(&before.state.pending()[1].request.single_use, 77, 1);
    before.state.pending()[2].action = Action{9};
    REQUIRE(before.state.keep({{}, {2}, {5}, 1, 0}) == 1);
    before.memory.image().asked[1].request.endpoint.protocol = IpProtocol{9};
    StateContents contents;
    REQUIRE(read_memory(view(before.file()), kBoot, contents) == StateFit::whole);
    CHECK(contents.pending.size() == 1);
    REQUIRE(contents.asked.size() == 1);
    CHECK(contents.asked[0].request.service == 5);
}

TEST_CASE("the copy of the release before: locked devices, used codes, counters and knocks are all there") {
    StateContents contents;
    REQUIRE(read_copy(view(copy_before()), contents) == StateFit::whole);
    StateMemory memory(kEntries);
    State state(memory.bytes());
    CHECK(state.begin_boot(kNextBoot, {kNow.wall + 60s, BootTime(10s)}, 30s, &contents) ==
          State::Begin::from_clean_copy);
    CHECK(state.header().high_slot == 100);
    CHECK(state.header().horizon == 7);
    CHECK(state.header().rejects[3] == 12);
    CHECK(state.header().accepted[1] == 5);
    CHECK(state.header().retries == 6);
    CHECK(state.find({1})->locked_until == kLockedForGood);
    const CredentialState& used = *state.find({2});
    CHECK(used.code_step == 55);
    CHECK(used.request == wire::RequestId{4});
    CHECK(used.address == address("192.0.2.7"));
    CHECK(used.last_address == address("192.0.2.9"));
    CHECK(used.last_accepted == 77);
    CHECK(used.failures == 3);
    CHECK(used.accepted == 8);
    CHECK(used.wrong_code == 11);
    CHECK(state.replay().find({{2}, {4}, {4}}, address("192.0.2.7")).request->progress == Progress::done); // it waited
    CHECK(state.replay().find({{2}, {2}, {2}}, address("192.0.2.7")).packet->progress == Progress::judged);
    CHECK(is_clean_copy(view(copy_before())));
    CHECK_FALSE(is_first_copy(view(copy_before())));
    // Nobody had ever knocked.
    const std::string none = bytes_of(header_before(kBoot)) + bytes_of(std::vector<std::uint64_t>{0, 0});
    CHECK(fit_of_copy(none + bytes_of(checksum_of(view(none)))) == StateFit::whole);
    // Counts that say more, or less, than there is.
    const std::vector<std::pair<std::uint64_t, std::uint64_t>> wrong = {{3, 3}, {2, 2}, {65537, 3}, {2, 1 << 21}};
    for (const auto& [credentials, knocks] : wrong)
        CHECK(fit_of_copy(copy_before(credentials, knocks)) == StateFit::damaged);
}

TEST_CASE("the memory of the release before goes on in this boot") {
    const std::string file = file_before(kBoot, kEntries);
    StateContents contents;
    REQUIRE(read_memory(view(file), kBoot, contents) == StateFit::whole);
    CHECK_FALSE(look_at_memory(view(file), file.size(), kBoot).as_ours);
    // Behind magic and boot id both have the same fields.
    const before::Header written = header_before(kBoot);
    CHECK(bytes_of(contents.header) == bytes_of(written).substr(offsetof(before::Header, hash_key)));
    StateMemory memory(contents.replay_entries);
    State state(memory.bytes());
    REQUIRE(state.take_over(contents));
    check_remembered(state);
    CHECK(state.header().hash_key == Bytes<16>{1, 2, 3}); // or a wrong code would count twice
    CHECK(state.find({2})->wrong_until == 12);
    CHECK(read_memory(view(file), kNextBoot, contents) == StateFit::other_boot);
    CHECK(read_memory(view(file + "x"), kBoot, contents) == StateFit::damaged);
    CHECK(read_memory(view(file).first(sizeof(before::Image)), kBoot, contents) == StateFit::damaged);
    CHECK(read_memory(view(file).first(100), kBoot, contents) == StateFit::damaged);
}
