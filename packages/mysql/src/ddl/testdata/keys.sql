-- Keys, constraints, names that the server makes up, renames.
create table k1 (a int, b int, c varchar(100), d text, key (a), key (a, b), index ix (c(10), a), unique (b, a), unique key u2 (c), key (d(20)), fulltext (c, d), fulltext key ft (d))
create table k2 (id int auto_increment, a int not null, b int, primary key (id), unique (b), unique (a), key (b, a), key (a desc, b))
create table k3 (a int, b int, c int, primary key (b, a), key a (c), key (a))
create table k4 (a varchar(10), b char(4), primary key (a(5)), key (b(4)), key (a(10), b(2)))
create table k5 (a int not null, constraint pk primary key (a), b int, constraint cu unique (b), constraint cx unique key ux (b, a))
create table k6 (a int key, b int unique comment 'u', key using btree (b), key kb (b) using btree comment 'says', key kk (b) key_block_size=8)
create table p1 (id int primary key, x int, y int, unique (x, y))
create table c1 (id int primary key, p int, foreign key (p) references p1 (id))
create table c2 (id int primary key, p int, q int, r int, constraint fkname foreign key (p) references p1 (id) on delete cascade on update set null, foreign key idx (q, r) references p1 (x, y) on delete no action, key (p))
create table c3 (id int primary key, p int, q int, constraint f1 foreign key (p) references p1 (id) on delete restrict, constraint f2 foreign key (q) references p1 (id) on update restrict, key kq (q, p))
create table c4 (id int primary key, p int references p1 (id), q int)
create table c5 (id int, parent int, primary key (id), foreign key (parent) references c5 (id) on delete set null)
alter table c1 add foreign key (id) references p1 (id), add column z int
alter table c1 add constraint named foreign key fki (z) references p1 (id)
alter table c1 drop foreign key named
alter table c1 add key other (z)
alter table c2 add unique uqq (q, r)
alter table c4 add key (q), add foreign key (q) references p1 (id)
alter table c4 add key longer (q, id)
create table ch1 (a int check (a > 0), b int, check (b < 10), constraint named check (a < b), check (a <> 5 and b <> 6))
alter table ch1 add check (a > 1), add constraint other check (b > 2), drop constraint named
alter table ch1 add c int check (c > 0)
alter table ch1 modify a int, add check (b > 5)
[mysql] alter table ch1 alter check other not enforced
[mysql] alter table ch1 drop check other
create table ch2 like ch1
[mysql] alter table k1 drop column b
[mariadb] !alter table k1 drop column b
alter table k1 drop index ix, drop key u2, add index ix (a)
alter table k1 modify c varchar(8)
alter table k1 add index pre (c(4)), add unique (c, a)
alter table k1 modify c varchar(3)
alter table k1 rename index pre to post
alter table k2 drop primary key, add primary key (id, a)
alter table k2 add column e int unique, add column f int not null unique first
alter table k2 rename column b to bb
alter table k2 change a aa bigint not null
alter table k3 drop primary key
alter table k3 add primary key (c)
alter table k3 drop column a
alter table k5 drop primary key, add column i int not null auto_increment primary key first
alter table k5 add column t timestamp null default null on update current_timestamp after i
create index ci on k5 (b desc)
create unique index cu2 on k5 (a, b)
create fulltext index cf on k1 (c)
drop index ci on k5
[mariadb] create or replace index cu2 on k5 (b)
[mariadb] create index if not exists cu2 on k5 (a)
[mariadb] drop index if exists nope on k5
[mariadb] alter table k5 add index if not exists cu2 (a), drop index if exists nope2, drop constraint if exists nope3
[mysql] alter table k5 alter index cu2 invisible
[mysql] alter table k5 alter index cu2 visible
[mariadb] alter table k5 alter index cu2 ignored
[mariadb] alter table k5 alter index cu2 not ignored
[mysql] create table ki (a int, b int, key x (a) invisible, unique ((a + b)), key fx ((a * 2)))
[mysql] alter table ki add index ((b * 2)), drop index fx
rename table c1 to c1x, p1 to parents
rename table c1x to c1y, parents to p1
alter table c1y rename to c1, add column later int
alter table p1 change id ident int not null
alter table ch2 rename ch3
[mariadb] alter table ch3 drop constraint other
[mariadb] alter table ch3 rename column b to bnew
[mysql] !alter table ch3 rename column b to bnew
!alter table k1 add column c int
!alter table k1 drop column nope
!alter table k1 add index post (a)
alter table k6 drop column b
alter table k4 modify b varchar(3)
create table mv (a int, b int, c int, d int)
alter table mv add x int after c, modify c bigint after b, modify b bigint after d
alter table mv modify x bigint after d, modify d bigint first
create table sw (a int, b varchar(5), c int, d int as (a + c) virtual)
alter table sw drop column d
alter table sw change a b int, change b a varchar(5)
[mariadb] alter table sw add column d int as (c + 1), add e int default (c)
alter table sw add column x int first, add y int after x, modify b bigint after c, drop column a
[mariadb] alter table sw rename column c to cc
alter table sw add unique (x), add unique (x), add key (x)
create table ren (a int, b int, key (a), constraint fkr foreign key (b) references p1 (ident))
drop table c5
drop table ren
alter table k6 disable keys
alter table k6 enable keys
alter table k6 force
alter table k6 order by a
alter table k6 add z int, algorithm=inplace, lock=none
alter table k6 add z9 int, auto_increment=100, comment='c', max_rows=1000
