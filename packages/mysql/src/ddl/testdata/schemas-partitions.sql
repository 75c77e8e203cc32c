-- Schemas, partitions, comments in the text, odd spellings.
create table r1 (id int not null, d date, v varchar(10)) partition by range (id) (partition p0 values less than (10), partition p1 values less than (20), partition p2 values less than (30))
alter table r1 add partition (partition p3 values less than (40))
alter table r1 drop partition p0
alter table r1 reorganize partition p1, p2 into (partition p12 values less than (30))
alter table r1 truncate partition p12
alter table r1 rebuild partition p12, p3
alter table r1 add column z int, add key (z)
alter table r1 rename column v to vv
create table h1 (id int primary key, a int) partition by hash (id) partitions 4
alter table h1 add partition partitions 2
alter table h1 coalesce partition 3
alter table h1 remove partitioning
alter table h1 partition by key () partitions 3
alter table h1 add b int, comment 'x' partition by list (id) (partition pa values in (1,2), partition pb values in (3))
create table l1 (a int, b int, key (a)) partition by range columns (a, b) (partition p0 values less than (5, 5), partition pm values less than (maxvalue, maxvalue))
create table x1 (a int, b int, key (a))
alter table l1 exchange partition p0 with table x1
[mariadb] alter table r1 convert partition p3 to table r1p3
[mariadb] create table sv (a int, b int) with system versioning
[mariadb] create table sv2 (a int, s timestamp(6) generated always as row start, e timestamp(6) generated always as row end, period for system_time (s, e)) with system versioning
/* leading */ create /*!40000 table */ cm1 (a int /*!40100 , b int */ /* nothing */) -- tail
create table cm2 (a int) # tail
create table cm3 (a int /*!99999 , never int */, b int)
[mariadb] create table cm4 (a int /*M!100100 , m int */ /*M!990000 , n int */ /*!50701 , o int */)
create table `cm5`(`a`int,`b`varchar(3)default'x',key`k`(`a`))
create table cm6 (a int, b int as (case when a > 1 then 2 else 3 end), c varchar(20) as (concat(a, ')', '(', "x;y")), d varchar(5) default ';')
create table 1a (1b int, 2c int, `3` int, key 4k (1b))
create table kw (status int, type varchar(3), comment int, name int, `date` date, visible int, action int, engine int, value int, data int)
alter table kw add offsets int, add column comment2 int comment 'comment', drop type, drop column comment, modify status bigint first
alter table kw add `partition` int, add checksum int
create table opt (a int) engine innodb default character set = utf8mb4 collate = utf8mb4_unicode_ci, comment 'o', row_format = compressed key_block_size 8 stats_persistent=1
alter table opt row_format = default, key_block_size = 0 charset latin1
alter table x1 engine=myisam
alter database one collate utf8mb4_bin
create table cd (a varchar(5), b varchar(5) collate utf8mb4_unicode_ci) charset latin1
alter table cd convert to character set default
alter table cd add column c varchar(5) character set utf8mb4
[mariadb] create table ce (a varchar(5), b varchar(5) character set latin1) character set default
[mariadb] alter table ce charset latin1
[mariadb] alter table ce character set default
create table cf (a varchar(5))
