// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/state_files.h"

#include "daemon/authz/state_before.h"
#include "daemon/authz/state_read.h"
#include "daemon/lifecycle/copy_writer.h"
#include "protocol/base/secure_file.h"
#include "tests/unit/recording/directory.h"
#include "tests/unit/recording/log.h"

#include <doctest/doctest.h>

#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <thread>
#include <utility>

using namespace xk;
using namespace xk::authz;
using namespace std::chrono_literals;

namespace {

std::function<void()> before_lock; // what somebody else does between the opening of a file and the lock on it

const Bytes<16> kBoot = {1}, kNextBoot = {2};
const Now kNow{WallTime(1'700'000'000s), BootTime(5'000s)};
constexpr std::size_t kEntries = 4096;

struct Directory {
    test::TemporaryDirectory itself;
    const std::string path = itself.path();

    std::string file() const { return path + "/state"; }
    bool has_next() const { return std::filesystem::exists(file() + ".next"); }
    Result<StateFiles> open(const Bytes<16>& boot = kBoot, std::size_t entries = kEntries) const {
        return StateFiles::open(path, path + "/lib", ::geteuid(), ::getegid(), ::geteuid(), boot, entries);
    }
    std::string content() const {
        std::ifstream in(file(), std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void write(const std::string& content) const { REQUIRE(write_file(file(), content, 0600, true)); }
    void change(std::size_t at, char to) const {
        std::fstream out(file(), std::ios::binary | std::ios::in | std::ios::out);
        out.seekp(static_cast<std::streamoff>(at));
        out.put(to);
    }
};

// The file as a worker has it.
struct Mapped {
    std::span<std::uint8_t> bytes;
    State state;
    explicit Mapped(const StateFiles& files, int prot = PROT_READ | PROT_WRITE)
        : bytes(map(files.state_fd(), prot)), state(bytes) {}
    ~Mapped() { ::munmap(bytes.data(), bytes.size()); }
    Mapped(const Mapped&) = delete;
    Mapped& operator=(const Mapped&) = delete;

    static std::span<std::uint8_t> map(int fd, int prot) {
        struct stat st {};
        REQUIRE(::fstat(fd, &st) == 0);
        const auto size = static_cast<std::size_t>(st.st_size);
        void* const memory = ::mmap(nullptr, size, prot, MAP_SHARED, fd, 0);
        REQUIRE(memory != MAP_FAILED);
        return {static_cast<std::uint8_t*>(memory), size};
    }
};

void begin(const Directory& directory) {
    const auto files = directory.open();
    REQUIRE(files);
    Mapped mapped(*files);
    mapped.state.begin_boot(kBoot, kNow, 30s, nullptr);
    mapped.state.credential({7})->locked_until = kLockedForGood;
}

void take_over(const StateFiles& files) {
    const auto before = Mapped::map(files.previous_fd(), PROT_READ);
    StateContents contents;
    REQUIRE(read_memory(before, kBoot, contents) == StateFit::whole);
    ::munmap(before.data(), before.size());
    Mapped mapped(files);
    REQUIRE(mapped.state.take_over(contents));
}

bool is_locked(const Directory& directory, std::size_t entries = kEntries) {
    const auto files = directory.open(kBoot, entries);
    REQUIRE(files);
    REQUIRE(files->previous_fd() < 0);
    const Mapped mapped(*files);
    return mapped.state.is_of(kBoot) && mapped.state.find({7}) != nullptr &&
           mapped.state.find({7})->locked_until == kLockedForGood;
}

} // namespace

// In the place of the C library's.
extern "C" int flock(int fd, int operation) noexcept {
    if (before_lock)
        std::exchange(before_lock, nullptr)();
    return static_cast<int>(::syscall(SYS_flock, fd, operation));
}

TEST_CASE("memory of this boot is gone on with, and of another boot begun anew") {
    const Directory directory;
    begin(directory);
    CHECK(is_locked(directory));
    CHECK(is_locked(directory, kEntries - 1)); // none of its entries is taken away
    const auto files = directory.open(kNextBoot);
    REQUIRE(files);
    CHECK(files->previous_fd() < 0);
    CHECK(all_zero(Mapped::map(files->state_fd(), PROT_READ)));
}

TEST_CASE("a worker that was ended while it began leaves nothing that counts") {
    const Directory directory;
    begin(directory);
    for (std::size_t i = 0; i < 8; ++i)
        directory.change(i, '\0');
    const auto files = directory.open();
    REQUIRE(files);
    CHECK(all_zero(Mapped::map(files->state_fd(), PROT_READ)));
}

TEST_CASE("room for more knocks is another file, which takes the name when it holds all that the first one held" *
          doctest::test_suite("long")) {
    const Directory directory;
    begin(directory);
    const std::string before = directory.content();
    for (int died = 0; died < 2; ++died) { // before the new file had its name
        const auto files = directory.open(kBoot, 2 * kEntries);
        REQUIRE(files);
        REQUIRE(files->previous_fd() >= 0);
        CHECK(files->replay_entries() == 2 * kEntries);
        CHECK(directory.content() == before);
        if (died == 1)
            take_over(*files);
    }
    CHECK(directory.has_next());
    {
        auto files = directory.open(kBoot, 2 * kEntries);
        REQUIRE(files);
        take_over(*files);
        REQUIRE(files->settle());
        CHECK(files->previous_fd() < 0);
    }
    CHECK_FALSE(directory.has_next());
    CHECK(directory.content().size() == state_size(2 * kEntries));
    CHECK(is_locked(directory, 2 * kEntries));
    CHECK(is_locked(directory));
}

TEST_CASE("what a start that died left beside the file goes with the next one") {
    const Directory directory;
    begin(directory);
    REQUIRE(write_file(directory.file() + ".next", "half", 0600, true));
    CHECK(is_locked(directory));
    CHECK_FALSE(directory.has_next());
}

TEST_CASE("memory of the release before is taken over") {
    const Directory directory;
    const auto image = std::make_unique<before::Image>();
    image->header.magic = kMagicBefore;
    image->header.boot_id = kBoot;
    image->credentials[0].id = {7};
    image->credentials[0].locked_until = kLockedForGood;
    std::string file(reinterpret_cast<const char*>(image.get()), sizeof *image);
    file.resize(file.size() + 100 * sizeof(before::Replay));
    directory.write(file);
    {
        auto files = directory.open();
        REQUIRE(files);
        REQUIRE(files->previous_fd() >= 0);
        CHECK(directory.content() == file);
        take_over(*files);
        REQUIRE(files->settle());
    }
    CHECK(is_locked(directory));
    // Of another boot its times mean nothing.
    directory.write(file);
    const auto files = directory.open(kNextBoot);
    REQUIRE(files);
    CHECK(files->previous_fd() < 0);
}

TEST_CASE("a file of a newer release, and a damaged one, is refused with what can be done, and left as it is" *
          doctest::test_suite("long")) {
    const Directory directory;
    begin(directory);
    const std::string good = directory.content();
    const auto refused = [&](const char* complaint) {
        const std::string before = directory.content();
        const auto files = directory.open();
        REQUIRE_FALSE(files);
        CHECK(files.error().exit == Exit::configuration);
        CHECK(files.error().message == "\"" + directory.file() + "\" " + complaint);
        CHECK(files.error().hint.find("\"rm " + directory.file() + "\" begins anew, and forgets") != std::string::npos);
        CHECK(directory.content() == before);
        directory.write(good);
    };
    directory.change(0, '5');
    refused("was written by a newer release");
    directory.change(0, '2');
    refused("was written by a release that is older than the one before this");
    directory.change(100, 'X');
    refused("is damaged");
    directory.write(good.substr(0, good.size() - 64));
    refused("is damaged");
    directory.write(good.substr(0, 10));
    refused("is damaged");
    directory.write("something else altogether");
    refused("is damaged");
    CHECK(is_locked(directory));
}

TEST_CASE("the copy holds what the memory held, and says of which file it is that it cannot be read") {
    const Directory directory;
    std::filesystem::create_directory(directory.path + "/lib");
    begin(directory);
    auto files = directory.open();
    REQUIRE(files);
    CHECK(files->copy_fd() < 0);
    REQUIRE(files->save({kNow.wall + 60s, kNow.boot + 60s}, true));
    std::ifstream in(directory.path + "/lib/state", std::ios::binary);
    const std::string copy{std::istreambuf_iterator<char>(in), {}};
    StateContents contents;
    REQUIRE(read_copy({reinterpret_cast<const std::uint8_t*>(copy.data()), copy.size()}, contents) == StateFit::whole);
    CHECK(contents.header.clean == 1);
    CHECK(contents.boot_id == kBoot);
    REQUIRE(contents.credentials.size() == 1);
    CHECK(contents.credentials[0].locked_until == kLockedForGood);
    const Error error = files->unreadable(StateFit::newer);
    CHECK(error.message == "\"" + directory.path + "/lib/state\" was written by a newer release");
    CHECK(error.exit == Exit::configuration);
}

TEST_CASE("a copy that is asked for is on the disk when its writer ends, and does not say that it is clean") {
    const Directory directory;
    const std::string copy = directory.path + "/lib/state";
    std::filesystem::create_directory(directory.path + "/lib");
    begin(directory);
    auto files = directory.open();
    REQUIRE(files);
    { CopyWriter idle(*files); }
    CHECK_FALSE(std::filesystem::exists(copy));
    {
        CopyWriter writer(*files);
        writer.write();
    }
    std::ifstream in(copy, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    StateContents contents;
    REQUIRE(read_copy({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, contents) == StateFit::whole);
    CHECK(contents.header.clean == 0);
}

TEST_CASE("the first copy in a row that cannot be written is logged, each is reported, and so is the recovery") {
    const Directory directory;
    begin(directory);
    auto files = directory.open();
    REQUIRE(files);
    const test::CapturedLog log;
    {
        CopyWriter writer(*files);
        const auto write = [&](bool fails) {
            writer.write();
            bool failed = false;
            for (int i = 0; i < 10'000 && !failed; ++i) {
                failed = writer.take_failure();
                if (!fails && std::filesystem::exists(directory.path + "/lib/state"))
                    break;
                std::this_thread::sleep_for(1ms);
            }
            return failed == fails;
        };
        CHECK_FALSE(writer.take_failure());
        CHECK(write(true)); // there is no directory
        CHECK_FALSE(writer.take_failure());
        CHECK(write(true));
        std::filesystem::create_directory(directory.path + "/lib");
        CHECK(write(false));
    }
    CHECK(log.lines() == 2);
    CHECK(log.has("error after a power cut used codes may count as new: "));
    CHECK(log.has("info the copy of judgement's memory is written again\n"));
}

TEST_CASE("where there is no room for the memory, the start says so and nobody touches it") {
    Directory d;
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    const auto quiet = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{4096, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    const auto opened = d.open();
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
    std::signal(SIGXFSZ, quiet);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().message == "making room for \"" + d.file() + "\": File too large");
    CHECK(opened.error().hint.find(" KiB are wanted there") != std::string::npos);
}

TEST_CASE("a daemon has the lock alone; whoever only looks at it for a moment stops no start") {
    Directory d;
    CHECK_FALSE(StateFiles::is_held(d.path));
    CHECK_FALSE(*StateFiles::hold(d.path)); // there is none yet
    {
        const auto files = d.open();
        REQUIRE(files);
        CHECK(StateFiles::is_held(d.path));
        CHECK(StateFiles::hold(d.path).error().exit == Exit::busy);
    }
    CHECK_FALSE(StateFiles::is_held(d.path));
    auto held = StateFiles::hold(d.path);
    REQUIRE(held);
    CHECK(d.open().error().exit == Exit::busy); // no daemon starts meanwhile
    std::thread look([&] {
        std::this_thread::sleep_for(30ms);
        held->reset();
    });
    CHECK(d.open());
    look.join();
}

TEST_CASE("a lock on a file that was removed after it was opened counts for nobody") {
    const Directory directory;
    REQUIRE(directory.open());
    const auto remove = [&] { std::filesystem::remove(directory.path + "/lock"); };
    before_lock = remove;
    const auto refused = directory.open();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().exit == Exit::busy);
    CHECK(refused.error().message == "\"" + directory.path + "/lock\" was removed meanwhile");
    CHECK_FALSE(before_lock);  // the lock was tried
    REQUIRE(directory.open()); // which makes the file anew
    before_lock = remove;
    const auto held = StateFiles::hold(directory.path);
    REQUIRE_FALSE(held);
    CHECK(held.error().exit == Exit::busy);
}
