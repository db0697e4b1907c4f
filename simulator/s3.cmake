# The little S3 of the simulator: include()d by simulator/CMakeLists.txt. A library of its own, so that its pure parts
# can be unit-tested and the rest cannot reach into it but through s3.h.
pkg_check_modules(EXPAT REQUIRED IMPORTED_TARGET expat)
file(GLOB s3_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/simulator/s3*.c)
list(FILTER s3_sources EXCLUDE REGEX "s3_probe\\.c$")
if(s3_sources)
    add_library(steward_s3 STATIC ${s3_sources})
    target_include_directories(steward_s3 PUBLIC ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/simulator)
    target_link_libraries(steward_s3 PUBLIC steward_http steward_sigv4 steward_base
        PRIVATE PkgConfig::EXPAT PkgConfig::CRYPTO PkgConfig::ZLIB)
endif()
